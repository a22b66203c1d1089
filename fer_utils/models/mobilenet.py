"""MobileNets: plain convolutions at full resolution, then separable ones."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, ConvDW


def mobilenet(
    stem: Sequence[int], blocks: Sequence[tuple[int, int]], hidden: Sequence[int] = (), classes: int = len(CLASSES)
) -> nn.Sequential:
    """A MobileNet `(N, 1, 48, 48)` -> logits `(N, classes)`.

    `stem` lists the channels of the plain convolutions, `blocks` the (channels, stride) of the separable ones, `hidden`
    the widths of the fully connected layers. After Howard et al. 2017, arXiv 1704.04861.
    """
    layers: list[nn.Module] = [ConvBN(inputs, outputs) for inputs, outputs in pairwise((1, *stem))]
    layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    channels = stem[-1]
    for width, stride in blocks:
        layers.append(ConvDW(channels, width, stride=stride))
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)]
    for width in hidden:
        layers += [nn.Linear(channels, width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, classes))
