"""A flip-invariant residual network, which serves as the teacher."""

from collections.abc import Sequence

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.mirror import MirrorConvBN, PairMean


class Residual(nn.Module):
    """Residual block: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`.

    He et al. 2016, arXiv 1512.03385, figure 2; a strided shortcut averages pixels before its 1x1 convolution (He et al.
    2019, arXiv 1812.01187, figure 2c).
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
        """ReLU of the body's output plus the shortcut's."""
        return self.activation(self.body(x) + self.shortcut(x))


def resnet(channels: Sequence[int], blocks: int, classes: int = len(CLASSES)) -> nn.Sequential:
    """A ResNet `(N, 1, 48, 48)` -> logits `(N, classes)`.

    A strided 5x5 stem, then one stage of `blocks` per entry of `channels`, half of which mirror the others. Every stage
    but the first begins by halving the map. Other multiples of 8 pixels are accepted as well.
    """
    inputs = channels[0]
    layers: list[nn.Module] = [MirrorConvBN(1, inputs, 5, stride=2)]
    for stage, width in enumerate(channels):
        for block in range(blocks):
            layers.append(Residual(inputs, width, stride=2 if block == 0 and stage > 0 else 1))
            inputs = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), PairMean(), nn.Dropout(0.2), nn.Linear(inputs // 2, classes)]
    return nn.Sequential(*layers, *head)
