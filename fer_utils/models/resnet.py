"""A residual net that reads a face and its mirror image alike: the largest of the nets of our own."""

from collections.abc import Sequence

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.mirror import MirrorConvBN, PairMean


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`.

    He et al. 2016, arXiv 1512.03385, figure 2; where the shape changes, the shortcut averages pixels before its 1x1
    convolution (He et al. 2019, arXiv 1812.01187, figure 2c).
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            MirrorConvBN(inputs, outputs, stride=stride), MirrorConvBN(outputs, outputs, activation=nn.Identity)
        )
        self.shortcut = nn.Sequential(
            *([nn.AvgPool2d(stride)] if stride > 1 else []),
            *([MirrorConvBN(inputs, outputs, 1, activation=nn.Identity)] if inputs != outputs else []),
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The body's output plus the shortcut's, through a ReLU."""
        return self.activation(self.body(x) + self.shortcut(x))


def resnet(channels: Sequence[int], blocks: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """A ResNet `(N, 1, 48, 48)` -> logits `(N, classes)`: a 5x5 stem that halves the map, then a stage a width.

    It reads faces of other sizes too, of multiples of 8 pixels.

    Every stage has as many `blocks` and one of the `channels`, half of which are the mirror images of the others;
    every one after the first begins by halving the map.
    """
    inputs = channels[0]
    layers: list[nn.Module] = [MirrorConvBN(1, inputs, 5, stride=2)]
    for stage, width in enumerate(channels):
        for block in range(blocks):
            layers.append(Residual(inputs, width, stride=2 if block == 0 and stage > 0 else 1))
            inputs = width
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        PairMean(),
        nn.Dropout(0.2),
        nn.Linear(inputs // 2, classes),
    )
