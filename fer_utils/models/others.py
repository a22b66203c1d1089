"""Published small networks, for comparison: Mini-Xception and MobileNetV2."""

from itertools import pairwise

from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.models.blocks import ConvBN, Depthwise

# MobileNetV2, table 2: expansion, channels, repetitions, stride. For 48 px faces instead of the paper's 224 px images,
# the stem and the sixth stage have stride 1.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 1),
    (6, 320, 1, 1),
)
STEM, HEAD = 32, 1280


def separable(inputs: int, outputs: int) -> list[nn.Module]:
    """Depthwise separable convolution without an inner activation, and BatchNorm."""
    return [Depthwise(inputs), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]


class XceptionBlock(nn.Module):
    """Two separable convolutions, a pool, a shortcut: `(N, C, H, W)` -> half the map."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))
        self.body = nn.Sequential(
            *separable(inputs, outputs), nn.ReLU(inplace=True), *separable(outputs, outputs), nn.MaxPool2d(3, 2, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both paths."""
        return self.body(x) + self.shortcut(x)


def mini_xception(classes: int = len(CLASSES)) -> nn.Sequential:
    """Mini-Xception `(N, 1, 48, 48)` -> logits `(N, classes)`.

    Arriaga et al. 2017, arXiv 1710.07557, figure 3; 56,951 parameters, as in the authors' code.
    """
    widths = (8, 16, 32, 64, 128)
    layers: list[nn.Module] = [ConvBN(1, 8, padding=0), ConvBN(8, 8, padding=0)]
    layers += [XceptionBlock(inputs, outputs) for inputs, outputs in pairwise(widths)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], classes, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; a shortcut if the shape stays.

    `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`. Sandler et al. 2018, arXiv 1801.04381, section 3.3.
    """

    def __init__(self, inputs: int, outputs: int, *, expansion: int, stride: int):
        super().__init__()
        hidden = inputs * expansion
        expand = [] if expansion == 1 else [nn.Conv2d(inputs, hidden, 1, bias=False), *_norm(hidden)]
        project = [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.body = nn.Sequential(*expand, Depthwise(hidden, stride=stride), *_norm(hidden), *project)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """The projected features, plus the input if the shape stays."""
        return x + self.body(x) if self.shortcut else self.body(x)


def _norm(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU6(inplace=True)]


def mobilenet_v2(width: float, classes: int = len(CLASSES)) -> nn.Sequential:
    """MobileNetV2 `(N, 1, 48, 48)` -> logits `(N, classes)`, channels times `width`."""
    inputs, *channels, head = (max(round(width * n), 1) for n in (STEM, *(c for _, c, _, _ in MOBILENET_V2), HEAD))
    layers: list[nn.Module] = [nn.Conv2d(1, inputs, 3, padding=1, bias=False), *_norm(inputs)]
    for (expansion, _, repetitions, stride), outputs in zip(MOBILENET_V2, channels, strict=True):
        for repetition in range(repetitions):
            layers.append(InvertedResidual(inputs, outputs, expansion=expansion, stride=1 if repetition else stride))
            inputs = outputs
    layers += [nn.Conv2d(inputs, head, 1, bias=False), *_norm(head)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(head, classes))
