"""Recipes: named sets of hyperparameters."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from fer_utils.data.augment import Augmentation
from fer_utils.errors import InputError, check_name

FLIP_ONLY = Augmentation()
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "muon": "Muon"}  # display names


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a run.

    Do not change names or defaults of fields: a run's key is computed from the fields that differ from their defaults.
    """

    name: str
    epochs: int
    batch_size: int
    optimizer: str  # one of OPTIMIZERS
    learning_rate: float
    schedule: str  # constant or one-cycle
    keep: str  # the weights of the `last` epoch or of the `best` one on the validation set
    weight_decay: float = 0.0
    label_smoothing: float = 0.0  # for hard labels only
    dropout: bool = True  # False turns off the dropout layers of a model
    averaging: float = 0.0  # decay per step of the weights' exponential moving average; 0 for none
    augmentation: Augmentation = FLIP_ONLY
    sides_px: tuple[int, ...] = (48,)  # progressive resizing: input sizes, each for an equal share of the epochs
    temperature: float = 2.0  # of distillation

    @property
    def sides_seen(self) -> tuple[int, ...]:
        """The input sizes in order; with fewer epochs than sizes, the last ones."""
        return self.sides_px[-self.epochs :]

    def side_px(self, epoch: int) -> int:
        """The input size in an epoch, counted from 1."""
        return self.sides_seen[(epoch - 1) * len(self.sides_seen) // self.epochs]


# The recipe of the original homework.
ORIGINAL = Recipe(
    name="original",
    epochs=150,
    batch_size=128,
    optimizer="adam",
    learning_rate=5e-4,
    schedule="constant",
    keep="best",
    augmentation=Augmentation(rotation_degrees=15),
)
# A few minutes per model on two CPU cores. Small batches fit into the cache.
QUICK = Recipe(
    name="quick",
    epochs=12,
    batch_size=32,
    optimizer="adamw",
    learning_rate=3e-3,
    schedule="one-cycle",
    keep="last",
    weight_decay=0.02,
    label_smoothing=0.05,
    augmentation=Augmentation(rotation_degrees=10, shift_px=2, zoom=0.1),
)
# A night on a laptop, minutes on a GPU. Small networks underfit, so regularization is weak and dropout off. For the
# choice of optimizer, augmentation and batch size, see figures/EXPERIMENTS.md.
FULL = Recipe(
    name="full",
    epochs=100,
    batch_size=64,
    optimizer="muon",
    learning_rate=6e-3,
    schedule="one-cycle",
    keep="last",
    weight_decay=0.05,
    label_smoothing=0.1,
    dropout=False,
    averaging=0.996,
    augmentation=Augmentation(rotation_degrees=10, shift_px=5, zoom=0.15, contrast=0.25),
    sides_px=(32, 40, 48),
)
# For networks of a million parameters or more, which overfit with `full`; see figures/EXPERIMENTS.md.
LARGE = dataclasses.replace(
    FULL,
    name="large",
    dropout=True,
    augmentation=Augmentation(rotation_degrees=15, shift_px=5, zoom=0.15, contrast=0.25),
)
# For fine-tuning from pretrained weights, on other faces or with a better teacher; see figures/EXPERIMENTS.md.
FINETUNE = dataclasses.replace(FULL, name="finetune", epochs=10, learning_rate=2e-3, sides_px=(48,))

RECIPES = {recipe.name: recipe for recipe in (ORIGINAL, QUICK, FULL, LARGE, FINETUNE)}


def non_default_fields(value: Any) -> dict[str, Any]:
    """The fields that differ from their defaults, so new fields change no run's key."""
    fields = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
    return {
        name: non_default_fields(given) if dataclasses.is_dataclass(given) else given
        for name, (given, default) in fields.items()
        if given != default
    }


def named_recipe(name: str, epochs: int | None = None) -> Recipe:
    """The recipe called `name`, with `epochs` instead of its own number if given."""
    recipe = RECIPES[check_name("recipe", name, RECIPES)]
    if epochs is not None and epochs < 1:
        raise InputError(f"epochs {epochs}: must be 1 or more")
    return recipe if epochs is None else dataclasses.replace(recipe, epochs=epochs)
