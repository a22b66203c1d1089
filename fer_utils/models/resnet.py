"""A residual net of dense convolutions: the most multiply-adds a second, and so the teacher of the small ones."""

from collections.abc import Sequence

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`.

    He et al. 2016, arXiv 1512.03385, figure 2; the shortcut is a 1x1 convolution where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            ConvBN(inputs, outputs, stride=stride),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            *(
                []
                if (inputs, stride) == (outputs, 1)
                else [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
            )
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The body's output plus the shortcut's, through a ReLU."""
        return self.activation(self.body(x) + self.shortcut(x))


def resnet(channels: Sequence[int], blocks: int) -> nn.Sequential:
    """A ResNet `(N, 1, 48, 48)` -> logits `(N, 7)`: a 5x5 stem that halves the map, then a stage a width.

    Every stage has as many `blocks` and one of the `channels`; every one after the first begins by halving the map.
    """
    width = channels[0]
    layers: list[nn.Module] = [
        nn.Conv2d(1, width, 5, 2, 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    inputs = width
    for stage, width in enumerate(channels):
        for block in range(blocks):
            layers.append(Residual(inputs, width, stride=2 if block == 0 and stage > 0 else 1))
            inputs = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(inputs, len(CLASSES))
    )
