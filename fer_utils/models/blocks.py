"""Layers of the homework's models and of the parameter-matched networks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """3x3 convolution, BatchNorm and ReLU. BatchNorm makes a bias redundant.

    `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`; `padding=0` ("valid") crops a pixel off each side.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, padding: int = 1, bias: bool = False, norm: bool = True
    ):
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding, bias=bias)
        super().__init__(convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True))


class Depthwise(nn.Conv2d):
    """Depthwise 3x3 convolution: `(N, C, H, W)` -> `(N, C, H / stride, W / stride)`."""

    def __init__(self, channels: int, *, stride: int = 1):
        super().__init__(channels, channels, 3, stride, 1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Filter each channel of `(N, C, H, W)`."""
        return filter_channels(x, self.weight, self.stride[0])


def filter_channels(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Filter `(N, C, H, W)` per channel by `weight` `(C, 1, 3, 3 or 4)`, padding 1."""
    # The strided backward pass has no fast bfloat16 kernel on a CPU: see figures/EXPERIMENTS.md
    if stride > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return F.conv2d(x.float(), weight, None, stride, 1, groups=len(weight)).to(x.dtype)
    return F.conv2d(x, weight, None, stride, 1, groups=len(weight))


class ConvDW(nn.Sequential):
    """Depthwise separable convolution: 3x3 and 1x1, each with BatchNorm and ReLU.

    `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`. Howard et al. 2017, arXiv 1704.04861, section 3.1.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1):
        super().__init__(
            Depthwise(inputs, stride=stride),
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class LinearBN(nn.Sequential):
    """Linear, BatchNorm, ReLU, Dropout (if above 0): `(N, inputs)` -> `(N, outputs)`."""

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0):
        tail = [nn.Dropout(dropout)] if dropout else []
        super().__init__(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True), *tail)
