"""The layers of the homework's models, and of the nets of equal size.

A model is an `nn.Sequential` of these, so that printing it, walking it and counting it need no further code.
Shapes are `(N, channels, height, width)` until a `Flatten`, `(N, features)` after it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBN(nn.Sequential):
    """Convolution 3x3, BatchNorm, ReLU: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`.

    `padding=0` ("valid") takes a pixel off each side. A convolution that a BatchNorm follows needs no bias, since the
    BatchNorm has one; `bias=True` keeps it all the same, as Keras does, and `norm=False` leaves the BatchNorm out.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        padding: int = 1,
        bias: bool = False,
        norm: bool = True,
    ):
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding, bias=bias)
        super().__init__(convolution, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True))


class Depthwise(nn.Conv2d):
    """A 3x3 filter a channel: `(N, channels, H, W)` -> `(N, channels, H / stride, W / stride)`."""

    def __init__(self, channels: int, *, stride: int = 1):
        super().__init__(channels, channels, 3, stride, 1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The filtered maps, in the precision of the caller."""
        return filter_channels(x, self.weight, self.stride[0])


def filter_channels(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Maps `(N, channels, H, W)`, each filtered by its own `weight`, `(channels, 1, 3, 3 or 4)`, with a border of 1."""
    # On a CPU, the way back through a stride has no fast kernel in bfloat16: 19 ms where float32 takes 1 (a batch of
    # 32, 64 channels, 24x24 pixels, oneDNN of PyTorch 2.13).
    if stride > 1 and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return F.conv2d(x.float(), weight, None, stride, 1, groups=len(weight)).to(x.dtype)
    return F.conv2d(x, weight, None, stride, 1, groups=len(weight))


class ConvDW(nn.Sequential):
    """Depthwise separable convolution: a 3x3 filter a channel, then 1x1 across channels, each with BatchNorm and ReLU.

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
    """Fully connected layer, BatchNorm, ReLU and, for `dropout > 0`, Dropout: `(N, inputs)` -> `(N, outputs)`."""

    def __init__(self, inputs: int, outputs: int, *, dropout: float = 0.0):
        tail = [nn.Dropout(dropout)] if dropout else []
        super().__init__(nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True), *tail)
