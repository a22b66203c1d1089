"""Plain CNNs: stages of 3x3 convolutions, each ended by a pool, then fully connected layers."""

from collections.abc import Sequence

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, LinearBN


def cnn(stages: Sequence[Sequence[int]], hidden: Sequence[int], classes: int = len(CLASSES)) -> nn.Sequential:
    """A plain CNN `(N, 1, 48, 48)` -> logits `(N, classes)`.

    `stages` gives the channels of the convolutions of each stage; a stage ends with a max pool that halves the map, and
    the last is followed by an average over 3x3 pixels (of a 48 px face; it cuts other sizes into as many parts).
    `hidden` gives the widths of the fully connected layers.
    """
    layers: list[nn.Module] = []
    channels = 1
    for stage in stages:
        for width in stage:
            layers.append(ConvBN(channels, width))
            channels = width
        layers.append(nn.MaxPool2d(2))
    side = 48 // 2 ** len(stages) // 3
    layers += [nn.AdaptiveAvgPool2d(side), nn.Flatten()]
    features = channels * side**2
    for width in hidden:
        layers.append(LinearBN(features, width))
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))
