"""Flip-equivariant layers, after Cohen and Welling 2016, arXiv 1602.07576.

Each filter is applied twice, as it is and mirrored: twice the features and MACs for the same parameters. Maps are
`(N, channels, H, W)` with the features of mirrored filters in the second half of the channels. A mirrored face gives
mirrored maps with their halves swapped, and so, up to rounding, the same logits. In training this holds if the whole
batch is mirrored, since BatchNorm then normalizes the halves separately.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_utils.models.blocks import filter_channels


class MirrorConv(nn.Conv2d):
    """Flip-equivariant convolution without bias.

    `(N, inputs, H, W)` -> `(N, outputs, ceil(H / stride), ceil(W / stride))`. `inputs` is even, or 1 for the face;
    `outputs` is even, `kernel_size` odd, `stride` 1 or 2; a `depthwise` one has 3x3 filters and `outputs == inputs`.
    Raises `ValueError` otherwise.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int = 3, *, stride: int = 1, depthwise: bool = False):
        if outputs % 2 or kernel_size % 2 == 0 or stride not in (1, 2):
            raise ValueError(
                f"outputs {outputs}, kernel_size {kernel_size}, stride {stride} must be even, odd, and 1 or 2"
            )
        if depthwise and (inputs != outputs or kernel_size != 3):
            given = f"inputs {inputs}, outputs {outputs}, kernel_size {kernel_size}"
            raise ValueError(f"depthwise with {given}: inputs and outputs must be equal, kernel_size 3")
        filters = outputs // 2
        read, groups = (filters, filters) if depthwise else (inputs, 1)
        super().__init__(read, filters, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
        self.in_channels, self.out_channels, self.depthwise = inputs, outputs, depthwise

    def forward(self, x: Tensor) -> Tensor:
        """The features of the filters, then those of the mirrored filters."""
        # A strided filter starts at pixels 0, 2, 4; on an even width, the mirrored one must start at 1, 3, 5.
        weight = F.pad(self.weight, (0, 1)) if self.stride == (2, 2) and x.shape[-1] % 2 == 0 else self.weight
        weight = torch.cat((weight, mirrored(weight)))
        if self.depthwise:
            return filter_channels(x, weight, self.stride[0])
        return F.conv2d(x, weight, None, self.stride, self.padding)


class MirrorBatchNorm(nn.BatchNorm2d):
    """BatchNorm that shares its parameters between both halves of `(N, C, H, W)`."""

    def __init__(self, channels: int):
        super().__init__(channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize; in training by half, and the running statistics average both halves."""
        assert self.running_mean is not None
        assert self.running_var is not None
        momentum = self.momentum
        if self.training and momentum is None:  # as in PyTorch: cumulative average over all batches
            assert self.num_batches_tracked is not None
            momentum = 1 / int(self.num_batches_tracked.add_(1))
        mean, variance = self.running_mean.repeat(2), self.running_var.repeat(2)
        scale, shift = self.weight.repeat(2), self.bias.repeat(2)
        x = F.batch_norm(x, mean, variance, scale, shift, self.training, momentum or 0.0, self.eps)
        if self.training:
            self.running_mean.copy_(mean.view(2, -1).mean(0))
            self.running_var.copy_(variance.view(2, -1).mean(0))
        return x


class MirrorConvBN(nn.Module):
    """Flip-equivariant convolution (see `MirrorConv`), BatchNorm and activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        depthwise: bool = False,
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        self.convolution = MirrorConv(inputs, outputs, kernel_size, stride=stride, depthwise=depthwise)
        self.norm = MirrorBatchNorm(outputs)
        self.activation = activation(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, inputs, H, W)` -> `(N, outputs, ceil(H / stride), ceil(W / stride))`."""
        if torch.compiler.is_exporting() and not self.convolution.depthwise:
            return self._exported(x)
        return self.activation(self.norm(self.convolution(x)))

    def _exported(self, x: Tensor) -> Tensor:
        # Mirrors the maps instead of the filters, so that a file stores each filter once. Slower in PyTorch, and not
        # worth it for the small depthwise filters: see figures/EXPERIMENTS.md
        def flipped(maps: Tensor) -> Tensor:  # which 1x1 filters do not need
            return maps if self.convolution.kernel_size == (1, 1) else maps.flip(-1)

        n = x.shape[0]  # not len(x): the batch size stays dynamic
        both = nn.Conv2d.forward(self.convolution, torch.cat((x, flipped(swapped(x)))))
        both = self.activation(nn.BatchNorm2d.forward(self.norm, both))
        return torch.cat((both[:n], flipped(both[n:])), 1)


class PairMean(nn.Module):
    """Mean of each feature and its mirrored one: `(N, C)` -> `(N, C / 2)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Flip-invariant features."""
        return x.unflatten(1, (2, -1)).mean(1)


def mirrored(x: Tensor) -> Tensor:
    """The maps of the mirrored face, or the weights for them: flip and swap halves."""
    return swapped(x).flip(-1)


def swapped(x: Tensor) -> Tensor:
    """Swap the halves of the channels of `(N, channels, ...)`."""
    return torch.cat(x.chunk(2, 1)[::-1], 1)
