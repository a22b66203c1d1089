"""Layers that read a face and its mirror image alike.

A feature here is a pair: what a filter finds, and what the mirrored filter finds (Cohen and Welling 2016, arXiv
1602.07576, for the group of the horizontal flip). Both have the same weights, so that a net learns nothing twice, once
for each side of the face, and has twice the features for its parameters, at twice the multiply-adds. A face that is
mirrored gives the same maps mirrored and their halves changed over, and so, up to rounding, the same logits. (In
training that holds for whole batches, since the halves then have means and variances of their own.)

Maps are `(N, channels, H, W)` with the mirrored features in the second half of the channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fer_utils.models.blocks import filter_channels


class MirrorConv(nn.Conv2d):
    """A convolution of pairs: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`, without bias.

    `outputs` is even, and so is `inputs`, but for the face itself, which is one channel; `kernel_size` is odd, `stride`
    1 or 2. A stride rounds up: of 25 pixels it makes 13. A `depthwise` one has a 3x3 filter for each of its channels.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int = 3, *, stride: int = 1, depthwise: bool = False):
        if outputs % 2 or kernel_size % 2 == 0 or stride not in (1, 2):
            raise ValueError(f"{outputs} outputs, kernel {kernel_size}, stride {stride}: allowed are even, odd, 1 or 2")
        if depthwise and (inputs != outputs or kernel_size != 3):
            raise ValueError(
                f"{inputs} inputs, {outputs} outputs, kernel {kernel_size}: depthwise, allowed are equal, 3"
            )
        filters = outputs // 2
        read, groups = (filters, filters) if depthwise else (inputs, 1)
        super().__init__(read, filters, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
        self.in_channels, self.out_channels, self.depthwise = inputs, outputs, depthwise

    def forward(self, x: Tensor) -> Tensor:
        """What the filters find, and then what the mirrored ones find."""
        # With a stride a filter looks from pixels 0, 2, 4; of an even number, its mirror image must from 1, 3, 5.
        weight = F.pad(self.weight, (0, 1)) if self.stride == (2, 2) and x.shape[-1] % 2 == 0 else self.weight
        weight = torch.cat((weight, mirrored(weight)))
        if self.depthwise:
            return filter_channels(x, weight, self.stride[0])
        return F.conv2d(x, weight, None, self.stride, self.padding)

    def by_batch(self, x: Tensor) -> Tensor:
        """What the filters find in the maps, and after it in the batch what they find in the mirrored maps.

        That second part, `flipped` back, is what the mirrored filters find: `(2 N, outputs / 2, ...)` in all. Not for
        depthwise layers.
        """
        return super().forward(torch.cat((x, self.flipped(swapped(x)))))

    def flipped(self, x: Tensor) -> Tensor:
        """The maps flipped, but for filters of one pixel, which find the same either way."""
        return x if self.kernel_size == (1, 1) else x.flip(-1)


class MirrorBatchNorm(nn.BatchNorm2d):
    """BatchNorm that does the same to a feature and to its mirror image: `(N, channels, H, W)`, and so it stays."""

    def __init__(self, channels: int):
        super().__init__(channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        """The maps; when training, each half by its own mean and variance; the running ones are the means of both."""
        assert self.running_mean is not None
        assert self.running_var is not None
        momentum = self.momentum
        if self.training and momentum is None:  # then, as PyTorch has it, the running ones are a mean over all batches
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
    """Convolution, BatchNorm and activation of pairs: `(N, inputs, H, W)` -> `(N, outputs, H / stride, W / stride)`."""

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
        """The maps of what the layer finds."""
        if torch.compiler.is_exporting() and not self.convolution.depthwise:
            return self._exported(x)
        return self.activation(self.norm(self.convolution(x)))

    def _exported(self, x: Tensor) -> Tensor:
        # The same: filters that read the map and its mirror image stand in a file once, not mirrored as well. PyTorch
        # takes longer for it: a step of a net of 46,000 parameters 3.6 times as long, faces to read 1.8 times.
        # Depthwise filters do stand there twice: they are few, and to flip maps took longer than to filter them.
        n = x.shape[0]  # not len(x): the file is for any number of faces
        both = self.activation(nn.BatchNorm2d.forward(self.norm, self.convolution.by_batch(x)))
        return torch.cat((both[:n], self.convolution.flipped(both[n:])), 1)


class PairMean(nn.Module):
    """The mean of each feature and its mirror image: `(N, channels)` -> `(N, channels / 2)`."""

    def forward(self, x: Tensor) -> Tensor:
        """Features that do not hang on which side is which."""
        return x.unflatten(1, (2, -1)).mean(1)


def mirrored(x: Tensor) -> Tensor:
    """The maps of the mirror image, or the weights that read them: their halves change places, and all is flipped."""
    return swapped(x).flip(-1)


def swapped(x: Tensor) -> Tensor:
    """The maps `(N, channels, ...)` with the halves of their channels changed over."""
    return torch.cat(x.chunk(2, 1)[::-1], 1)
