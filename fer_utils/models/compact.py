"""Compact nets: much accuracy from few parameters, and quick to train on a CPU.

At full resolution they are thin, since a channel costs time there and hardly any parameters. From half resolution on,
every convolution that keeps the shape has a way around it. The convolutions are dense: on a CPU, separable ones and
squeeze-excitation took longer for less (the README has the numbers).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN


class Shortcut(nn.Module):
    """A layer that keeps the shape, and a way around it (He et al. 2016, arXiv 1512.03385): the sum of both."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """The input plus what the layer makes of it."""
        return x + self.layer(x)


def compact(
    full: int, stages: Sequence[tuple[int, int]], head: int, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """A compact net `(N, 1, 48, 48)` -> logits `(N, 7)`.

    `full` is the number of channels at full resolution; each of the `stages` (channels, convolutions) begins by halving
    the map; `head` is the number of features that are averaged over the map for the logits.
    """
    layers: list[nn.Module] = [ConvBN(1, full, activation=activation)]
    inputs = full
    for width, convolutions in stages:
        layers.append(ConvBN(inputs, width, stride=2, activation=activation))
        layers += [Shortcut(ConvBN(width, width, activation=activation)) for _ in range(convolutions - 1)]
        inputs = width
    layers += [nn.Conv2d(inputs, head, 1, bias=False), nn.BatchNorm2d(head), activation()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, len(CLASSES)))
