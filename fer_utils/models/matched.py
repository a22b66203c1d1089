"""Nets that differ in one thing at a time, of equal size: what a MobileNet's lead over a plain CNN is made of.

From a plain CNN in the shape of the homework's cnn-103k to its MobileNet in four steps, each net but `narrow8` as wide
as its budget of parameters allows: `cnn4fc` (four convolutions, fully connected head) -> depth -> `cnn8fc` -> head ->
`cnn8` -> block, with the same widths -> `narrow8` -> width -> `separable8`. None has dropout. A name's number is that
of the parameters.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, ConvDW, LinearBN
from fer_utils.models.cnn import cnn

# By budget, the parameters that `narrow8` has: what the separable block saves is not spent.
BUDGETS = {
    10_000: 2_000,
    20_000: 4_000,
    46_000: 9_000,
    103_000: 18_000,
    158_000: 26_000,
    400_000: 63_000,
    900_000: 136_000,
}
WIDTHS = (32, 32, 64, 64, 80, 80, 80, 80)  # of mobilenet-46k: two at full resolution, then a pool and six blocks
STRIDES = (1, 1, 2, 1, 2, 1)  # of the blocks
SHALLOW = (32, 32, 64, 64)  # of cnn-103k
HIDDEN = 512  # of the fully connected layer of cnn-103k


def skeleton(
    block: type[ConvBN | ConvDW], fully_connected: bool, width: float, classes: int = len(CLASSES)
) -> nn.Sequential:
    """The MobileNet's stages with the given block: `(N, 1, 48, 48)` -> logits `(N, classes)`.

    The widths are those of mobilenet-46k times `width`. The head averages over the map, and has a hidden layer as
    cnn-103k has it where it is fully connected.
    """
    first, second, *channels, hidden = _times(width, (*WIDTHS, HIDDEN))
    layers: list[nn.Module] = [ConvBN(1, first), ConvBN(first, second), nn.MaxPool2d(2)]
    inputs = second
    for outputs, stride in zip(channels, STRIDES, strict=True):
        layers.append(block(inputs, outputs, stride=stride))
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if fully_connected:
        layers.append(LinearBN(inputs, hidden))
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


def shallow(width: float, classes: int = len(CLASSES)) -> nn.Sequential:
    """The stages and the head of cnn-103k, with its widths times `width`."""
    *channels, hidden = _times(width, (*SHALLOW, HIDDEN))
    return cnn([(n,) for n in channels], [hidden], classes)


def _times(width: float, channels: Sequence[int]) -> list[int]:
    """The channels times `width`; each is rounded at another fraction, so that widths grow one layer at a time."""
    return [max(int(width * n + i / len(channels)), 1) for i, n in enumerate(channels)]


FAMILIES: dict[str, Callable[..., nn.Sequential]] = {
    "cnn4fc": shallow,
    "cnn8fc": partial(skeleton, ConvBN, True),
    "cnn8": partial(skeleton, ConvBN, False),
    "separable8": partial(skeleton, ConvDW, False),
}


@cache
def width_for(family: str, budget: int) -> float:
    """The width, to a thousandth, at which a net of this family has parameters nearest to `budget`: by bisection."""

    def count(thousandths: int) -> int:
        with torch.device("meta"):
            return sum(p.numel() for p in FAMILIES[family](thousandths / 1000).parameters())

    over = bisect_left(range(20_000), budget, key=count)
    return min((over - 1, over), key=lambda k: abs(count(k) - budget)) / 1000


def matched(family: str, budget: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """The net of a family that has as many parameters as `budget`, nearly."""
    return FAMILIES[family](width_for(family, budget), classes=classes)


def chain(budget: int) -> list[str]:
    """The names of the nets from the plain CNN to the MobileNet at a budget, one step after the other."""
    sizes = dict.fromkeys(("cnn4fc", "cnn8fc", "cnn8", "narrow8", "separable8"), budget) | {"narrow8": BUDGETS[budget]}
    return [f"{family}-{thousands(size)}" for family, size in sizes.items()]


def thousands(count: int) -> str:
    """A count of parameters as names have it: 46k."""
    return f"{count // 1000}k"


def narrow(budget: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """Separable convolutions in the widths that `cnn8` has at this budget: the block alone, its savings not spent."""
    return FAMILIES["separable8"](width_for("cnn8", budget), classes=classes)
