"""Plain CNNs: stages of 3x3 convolutions, then fully connected layers."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, LinearBN


def cnn(stages: Sequence[Sequence[int]], hidden: Sequence[int], classes: int = len(CLASSES)) -> nn.Sequential:
    """A plain CNN `(N, 1, 48, 48)` -> logits `(N, classes)`.

    `stages` lists the channels of each stage's convolutions, `hidden` the widths of the fully connected layers. The
    average pool before them covers 3x3 pixels of a 48 px face, and has the same output size for other inputs.
    """
    layers: list[nn.Module] = []
    channels = 1
    for stage in stages:
        layers += [ConvBN(inputs, outputs) for inputs, outputs in pairwise((channels, *stage))]
        layers.append(nn.MaxPool2d(2))
        channels = stage[-1]
    side = 48 // 2 ** len(stages) // 3
    widths = (channels * side**2, *hidden)
    layers += [nn.AdaptiveAvgPool2d(side), nn.Flatten()]
    layers += [LinearBN(inputs, outputs) for inputs, outputs in pairwise(widths)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
