"""The training loop, from the training state down to a single step."""

import copy
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fer_utils.data.augment import draw_view, flipped, render_view, shuffled
from fer_utils.data.targets import Examples
from fer_utils.errors import FerError
from fer_utils.models import zoo
from fer_utils.training.devices import autocast, exact_float32
from fer_utils.training.distillation import distillation_loss
from fer_utils.training.metrics import logits
from fer_utils.training.optimizers import build_optimizers
from fer_utils.training.recipe import Recipe

WARMUP = 0.25  # share of the one-cycle schedule
START_DIVISOR, END_DIVISOR = 25, 250_000  # of the peak learning rate, for the first and the last step


class TrainState:
    """Everything that changes during training, as of the end of an epoch.

    `epoch` counts the finished epochs, `history` has one dict for each, `kept` holds the weights to keep so far.
    """

    def __init__(self, model: nn.Sequential, recipe: Recipe, precision: str):
        self.epoch, self.best = 0, -1.0
        self.history: list[dict[str, Any]] = []
        self.kept: dict[str, Tensor] = {}
        self.model, self.recipe = model, recipe
        self.average = copy.deepcopy(model) if recipe.averaging else model
        self.optimizers = build_optimizers(model, recipe, precision)

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint that shares memory with the live tensors: save it at once."""
        plain = {name: getattr(self, name) for name in ("epoch", "best", "history", "kept")}
        modules = {"model": self.model.state_dict(), "average": self.average.state_dict()}
        return plain | modules | {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a checkpoint of `state_dict`."""
        self.epoch, self.best, self.kept = state["epoch"], state["best"], state["kept"]
        self.history = list(state["history"])
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)

    def finish_epoch(self, row: dict[str, Any]) -> None:
        """Add the epoch's row to the history, and keep the weights if the recipe says so."""
        self.epoch += 1
        self.history.append(row)
        if self.recipe.keep == "last" or row["validation_accuracy"] > self.best:
            self.best, self.kept = row["validation_accuracy"], copy.deepcopy(self.average.state_dict())


def train(
    model: nn.Sequential,
    training: Examples,
    validation: Examples,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    precision: str = "float32",
    resume: dict[str, Any] | None = None,
    teacher_logits: Tensor | None = None,
) -> Iterator[TrainState]:
    """Train `model`, yielding its state after every epoch.

    All randomness in an epoch comes from `seed` and the epoch's number, drawn on the CPU, so training resumed from
    `resume` (a `TrainState.state_dict`) ends with the same weights as training without a break. `teacher_logits`,
    `(N, C)`, replace the training targets. Raises `FerError` if the loss is not finite.
    """
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not recipe.dropout:
        turn_off_dropout(model)
    state = TrainState(model, recipe, precision)
    if resume is not None:
        state.load_state_dict(resume)
    images, targets = (torch.from_numpy(array).to(device) for array in (training.images, training.targets))
    teacher_logits = None if teacher_logits is None else teacher_logits.to(device)
    while state.epoch < recipe.epochs:
        start = time.perf_counter()
        with exact_float32():
            losses = _train_epoch(state, images, targets, seed, precision, teacher_logits)
            metrics = _validate(state.average, validation, precision, device)
        row = {"epoch": state.epoch + 1, "learning_rate": state.optimizers[0].param_groups[0]["lr"]}
        row |= {"training_loss": float(losses.mean()), **metrics, "seconds": time.perf_counter() - start}
        state.finish_epoch(row)
        yield state


def _train_epoch(
    state: TrainState, images: Tensor, targets: Tensor, seed: int, precision: str, teacher_logits: Tensor | None
) -> Tensor:
    """Train for one epoch; return the loss of every step, `(steps,)`."""
    epoch, device, model, recipe = state.epoch + 1, images.device, state.model, state.recipe
    size = min(recipe.batch_size, len(images))
    steps = len(images) // size
    side_px = recipe.side_px(epoch) if zoo.takes_any_size(model) else images.shape[-1]
    averages, values = _floats(state.average), _floats(model)
    epoch_seed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(epoch_seed)
    view = flipped(draw_view(images, recipe.augmentation, generator), generator).to(device)
    losses = torch.zeros(steps, device=device)
    model.train()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(epoch_seed)  # for dropout
        for i, rows in enumerate(shuffled(len(images), size, generator)):
            step, rows = (epoch - 1) * steps + i, rows.to(device)
            # Outside autocast: coordinates in bfloat16 would shift the pixels.
            inputs = render_view(images, view, rows, side_px)
            with autocast(precision, device):
                outputs = model(inputs).float()
            if teacher_logits is None:
                loss = F.cross_entropy(outputs, targets[rows])
            else:
                loss = distillation_loss(outputs, teacher_logits[rows], recipe.temperature)
            model.zero_grad()
            loss.backward()
            for optimizer in state.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, step, recipe.epochs * steps)
                optimizer.step()
            losses[i] = loss.detach()
            if recipe.averaging:
                get_ema_multi_avg_fn(_decay(recipe.averaging, step))(averages, values, 0)
            if device.type == "cpu":  # on a GPU, reading every loss would stall the queue
                _check_finite(losses[: i + 1], epoch)
    _check_finite(losses, epoch)
    return losses


def _validate(model: nn.Module, validation: Examples, precision: str, device: torch.device) -> dict[str, float]:
    """Loss on all faces, and accuracy on those with one correct class."""
    images, targets, classes = (
        torch.from_numpy(array).to(device) for array in (validation.images, validation.targets, validation.classes)
    )
    with autocast(precision, device):
        found = logits(model.eval(), images)
    hits = (found.argmax(1) == classes)[classes >= 0]
    loss, accuracy = F.cross_entropy(found, targets), hits.float().mean()
    return {"validation_loss": float(loss), "validation_accuracy": float(accuracy)}


def turn_off_dropout(model: nn.Module) -> None:
    """Set the dropout rate of a model to 0."""
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate of a step (counted from 0) in a run of `steps` steps.

    One-cycle with cosine annealing up and down: Smith and Topin 2017, arXiv 1708.07120.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    progress = (step + 0.5) / steps
    if progress < WARMUP:
        start, end, share = recipe.learning_rate / START_DIVISOR, recipe.learning_rate, progress / WARMUP
    else:
        start, end = recipe.learning_rate, recipe.learning_rate / END_DIVISOR
        share = (progress - WARMUP) / (1 - WARMUP)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _decay(averaging: float, step: int) -> float:
    """The decay of the average, lower at first to forget the initial weights."""
    return min(averaging, (1 + step) / (10 + step))


def _floats(model: nn.Module) -> list[Tensor]:
    """The tensors to average: weights and BatchNorm statistics."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]


def _check_finite(losses: Tensor, epoch: int) -> None:
    finite = torch.isfinite(losses)
    if not finite.all():
        raise FerError(
            f"the training loss is infinite or NaN in epoch {epoch}, step {int(finite.int().argmin()) + 1}: the "
            "learning rate is too high for this model and data. Use another recipe, or check the data with `fer data`"
        )
