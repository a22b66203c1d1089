"""A small VGG: two convolutions a stage, the second without padding, and wide fully connected layers."""

from collections.abc import Sequence

from torch import nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, LinearBN


def vgg(
    channels: Sequence[int], norms: Sequence[bool], hidden: Sequence[int], classes: int = len(CLASSES)
) -> nn.Sequential:
    """A small VGG `(N, 1, 48, 48)` -> logits `(N, classes)`, after Simonyan and Zisserman 2014, arXiv 1409.1556.

    `channels` gives each stage's channels, `norms` whether its convolutions have BatchNorm, `hidden` the widths of the
    fully connected layers. Convolutions have a bias even before a BatchNorm, as the Keras original has.
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
    layers.append(nn.Flatten())
    features = inputs * side**2
    for width in hidden:
        layers.append(LinearBN(features, width, dropout=0.35))
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))
