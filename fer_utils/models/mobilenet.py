"""MobileNets: a stem of plain convolutions at full resolution, then depthwise separable ones."""

from collections.abc import Sequence

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, ConvDW


def mobilenet(
    stem: Sequence[int], blocks: Sequence[tuple[int, int]], hidden: Sequence[int] = (), classes: int = len(CLASSES)
) -> nn.Sequential:
    """A MobileNet `(N, 1, 48, 48)` -> logits `(N, classes)`, in the manner of Howard et al. 2017, arXiv 1704.04861.

    `stem` gives the channels of the plain convolutions before the pool, `blocks` the (channels, stride) of each
    depthwise separable convolution after it, `hidden` the widths of fully connected layers between the global average
    and the logits.
    """
    layers: list[nn.Module] = []
    channels = 1
    for width in stem:
        layers.append(ConvBN(channels, width))
        channels = width
    layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    for width, stride in blocks:
        layers.append(ConvDW(channels, width, stride=stride))
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5)]
    for width in hidden:
        layers += [nn.Linear(channels, width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, classes))
