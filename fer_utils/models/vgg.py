"""A small VGG: two convolutions per stage, and wide fully connected layers."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, LinearBN


def vgg(
    channels: Sequence[int], norms: Sequence[bool], hidden: Sequence[int], classes: int = len(CLASSES)
) -> nn.Sequential:
    """A small VGG `(N, 1, 48, 48)` -> logits `(N, classes)`.

    `channels` lists the channels of each stage, `norms` whether it has BatchNorm, `hidden` the widths of the fully
    connected layers. Convolutions have a bias even before BatchNorm, as in the Keras original. After Simonyan and
    Zisserman 2014, arXiv 1409.1556.
    """
    layers: list[nn.Module] = []
    inputs, side = 1, 48
    for width, norm in zip(channels, norms, strict=True):
        layers += [
            ConvBN(inputs, width, bias=True, norm=norm),
            ConvBN(width, width, bias=True, norm=norm, padding=0),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
        ]
        inputs, side = width, (side - 2) // 2
    widths = (inputs * side**2, *hidden)
    head = [LinearBN(features, width, dropout=0.35) for features, width in pairwise(widths)]
    return nn.Sequential(*layers, nn.Flatten(), *head, nn.Linear(widths[-1], classes))
