"""Parameter-matched networks for the ablation from a plain CNN to a MobileNet.

Four steps, one change at a time: `cnn4fc` (shape of cnn-103k) -> depth -> `cnn8fc` -> head -> `cnn8` -> block, same
widths -> `narrow8` -> width -> `separable8`. All but `narrow8` are as wide as the parameter budget allows. None has
dropout. Names end in the number of parameters.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise

import torch
from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, ConvDW, LinearBN
from fer_utils.models.cnn import cnn

# Parameter budget: parameters of `narrow8`, which does not spend what the separable block saves.
BUDGETS = {
    10_000: 2_000, 20_000: 4_000, 46_000: 9_000, 103_000: 18_000, 158_000: 26_000, 400_000: 63_000, 900_000: 136_000,
}  # fmt: skip
WIDTHS = (32, 32, 64, 64, 80, 80, 80, 80)  # mobilenet-46k: two at full resolution, then a pool and six blocks
STRIDES = (1, 1, 2, 1, 2, 1)  # of the blocks
CHAIN = ("cnn4fc", "cnn8fc", "cnn8", "narrow8", "separable8")  # the families in the order of the ablation
SHALLOW = (32, 32, 64, 64)  # convolutions of cnn-103k
HIDDEN = 512  # fully connected layer of cnn-103k


def skeleton(
    block: type[ConvBN | ConvDW], fully_connected: bool, width: float, classes: int = len(CLASSES)
) -> nn.Sequential:
    """mobilenet-46k with another `block`, and channels times `width`.

    `(N, 1, 48, 48)` -> logits `(N, classes)`. A `fully_connected` head has a hidden layer after the average pool.
    """
    first, *channels, hidden = _times(width, (*WIDTHS, HIDDEN))
    layers: list[nn.Module] = [ConvBN(1, first), ConvBN(first, channels[0]), nn.MaxPool2d(2)]
    for (inputs, outputs), stride in zip(pairwise(channels), STRIDES, strict=True):
        layers.append(block(inputs, outputs, stride=stride))
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    features = channels[-1]
    if fully_connected:
        layers.append(LinearBN(features, hidden))
        features = hidden
    return nn.Sequential(*layers, nn.Linear(features, classes))


def shallow(width: float, classes: int = len(CLASSES)) -> nn.Sequential:
    """cnn-103k with channels times `width`."""
    *channels, hidden = _times(width, (*SHALLOW, HIDDEN))
    return cnn([(n,) for n in channels], [hidden], classes)


def _times(width: float, channels: Sequence[int]) -> list[int]:
    """Scale the channels; staggered rounding widens one layer at a time."""
    return [max(int(width * n + i / len(channels)), 1) for i, n in enumerate(channels)]


FAMILIES: dict[str, Callable[..., nn.Sequential]] = {
    "cnn4fc": shallow,
    "cnn8fc": partial(skeleton, ConvBN, True),
    "cnn8": partial(skeleton, ConvBN, False),
    "separable8": partial(skeleton, ConvDW, False),
}


@cache
def width_for(family: str, budget: int) -> float:
    """The width, to 0.001, with the number of parameters nearest to `budget`."""

    def count(thousandths: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in FAMILIES[family](thousandths / 1000).parameters())

    over = bisect_left(range(20_000), budget, key=count)
    return min((over - 1, over), key=lambda k: abs(count(k) - budget)) / 1000


def matched(family: str, budget: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """The network of a family with about `budget` parameters."""
    return FAMILIES[family](width_for(family, budget), classes=classes)


def chain(budget: int) -> list[str]:
    """The networks of one budget in the order of the ablation, by name."""
    sizes = dict.fromkeys(CHAIN, budget) | {"narrow8": BUDGETS[budget]}
    return [f"{family}-{thousands(size)}" for family, size in sizes.items()]


def thousands(count: int) -> str:
    """A parameter count as used in names: 46k."""
    return f"{count // 1000}k"


def narrow(budget: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """Separable convolutions with the channels that `cnn8` has at this budget."""
    return FAMILIES["separable8"](width_for("cnn8", budget), classes=classes)
