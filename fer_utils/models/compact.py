"""Compact nets: much accuracy from few parameters, and quick to train on a CPU.

They read a face and its mirror image alike (`mirror.py`). At full resolution they are thin, since a channel costs time
there and hardly any parameters. From half resolution on, every convolution that keeps the shape has a way around it.
Separable convolutions make more of few parameters, dense ones of little time on a CPU; squeeze-excitation took longer
for nothing (`figures/README.md` has the numbers).
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.mirror import MirrorConvBN, PairMean

convolution = partial(MirrorConvBN, activation=nn.SiLU)


class Separable(nn.Sequential):
    """A convolution in two: 3x3 a channel, then 1x1 across channels, each with BatchNorm and SiLU.

    `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`. Howard et al. 2017, arXiv 1704.04861, section 3.1.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1):
        super().__init__(convolution(inputs, inputs, stride=stride, depthwise=True), convolution(inputs, outputs, 1))


class Shortcut(nn.Module):
    """A layer that keeps the shape, and a way around it (He et al. 2016, arXiv 1512.03385): the sum of both."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the layer makes of it."""
        return x + self.layer(x)


def compact(
    stages: Sequence[tuple[int, int]], head: int, *, separable: bool = False, classes: int = len(CLASSES)
) -> nn.Sequential:
    """A compact network `(N, 1, 48, 48)` -> logits `(N, classes)`.

    The first convolution has 16 channels; each of the `stages` (channels, convolutions) begins by halving the map;
    `head` is the number of channels that are averaged over the map for the logits. Half of all channels are the mirror
    images of the others. In a `separable` net the convolutions are so from the second of the first stage on.
    """
    layer = Separable if separable else convolution
    layers: list[nn.Module] = [convolution(1, 16)]
    inputs = 16
    for number, (width, convolutions) in enumerate(stages):
        layers.append((layer if number else convolution)(inputs, width, stride=2))
        layers += [Shortcut(layer(width, width)) for _ in range(convolutions - 1)]
        inputs = width
    layers.append(convolution(inputs, head, 1))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), PairMean(), nn.Linear(head // 2, classes))
