"""Compact networks: accurate for their size, and quick to train on a CPU.

Flip-invariant (`mirror.py`). Narrow at full resolution, where channels cost time but few parameters; from half
resolution on, every convolution that keeps the shape has a shortcut. Separable convolutions are more accurate per
parameter, dense ones per second on a CPU. For the ablations see figures/EXPERIMENTS.md.
"""

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.mirror import MirrorConvBN, PairMean

convolution = partial(MirrorConvBN, activation=nn.SiLU)


class Separable(nn.Sequential):
    """Depthwise separable convolution: 3x3 and 1x1, each with BatchNorm and SiLU.

    `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`. Howard et al. 2017, arXiv 1704.04861, section 3.1.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1):
        super().__init__(convolution(inputs, inputs, stride=stride, depthwise=True), convolution(inputs, outputs, 1))


class Shortcut(nn.Module):
    """A shape-preserving layer with a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The input plus the layer's output."""
        return x + self.layer(x)


def compact(
    stages: Sequence[tuple[int, int]], head: int, *, separable: bool = False, classes: int = len(CLASSES)
) -> nn.Sequential:
    """A compact network `(N, 1, 48, 48)` -> logits `(N, classes)`.

    A convolution of 16 channels, the `stages` (channels, convolutions), each of which begins by halving the map, and
    `head` channels that are averaged over the map. Half of all channels mirror the others. `separable` applies from the
    second convolution of the first stage on.
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
