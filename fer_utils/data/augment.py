"""Batches for training: whole batches are cut, moved and lit on the device that holds the data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How far each face of a batch is changed at random; amounts are drawn evenly from -value..value.

    A flip mirrors half of the faces.
    """

    flip: bool = True
    rotation_degrees: float = 0.0
    shift_px: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0


def to_input(images: Tensor) -> Tensor:
    """What a model takes: uint8 `(N, 48, 48)` -> float32 `(N, 1, 48, 48)`, about -2..2, in channels-last order."""
    scaled = images.unsqueeze(1).float().sub_(127.5).div_(64)
    return scaled.contiguous(memory_format=torch.channels_last)


def batches(
    images: Tensor, labels: Tensor, size: int, augmentation: Augmentation, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: inputs `(size, 1, 48, 48)` and labels `(size,)`.

    A last batch that is not full is left out.
    """
    order = torch.randperm(len(images), generator=generator, device=images.device)
    size = min(size, len(images))
    for rows in order.split(size)[: len(images) // size]:
        yield augment(to_input(images[rows]), augmentation, generator), labels[rows]


def augment(inputs: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each face of a batch `(N, 1, H, W)` at random; the border is stretched where the picture ends."""

    def even(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=inputs.device) * 2 - 1

    n, _, height, width = inputs.shape
    angle = even(n) * math.radians(augmentation.rotation_degrees)
    scale = 1 + even(n) * augmentation.zoom
    mirror = even(n).sign() if augmentation.flip else torch.ones(n, device=inputs.device)
    shift = even(2, n) * augmentation.shift_px * 2 / width
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [cosine * mirror, -sine, shift[0], sine * mirror, cosine, shift[1]]
    grid = F.affine_grid(torch.stack(rows, 1).view(n, 2, 3), [n, 1, height, width], align_corners=False)
    outputs = F.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    if augmentation.contrast:
        outputs = outputs * (1 + even(n, 1, 1, 1) * augmentation.contrast) + even(n, 1, 1, 1) * augmentation.contrast
    return outputs.contiguous(memory_format=torch.channels_last)
