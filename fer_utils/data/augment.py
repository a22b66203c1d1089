"""Data augmentation in whole batches, on the device that holds the images."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

GRAY_LEVELS = 64  # per unit of network input
MIDDLE_GRAY = 127.5


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random augmentation: uniform in -value..value for each face."""

    rotation_degrees: float = 0.0
    shift_px: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0  # scales the gray values, and shifts them by up to this fraction of `GRAY_LEVELS`


@dataclass(frozen=True)
class View:
    """N views: affine `matrices` `(N, 2, 3)`; `tones` `(N, 2)`, gain and offset."""

    matrices: Tensor
    tones: Tensor

    def to(self, device: torch.device) -> "View":
        """The same view on another device."""
        return View(self.matrices.to(device), self.tones.to(device))


def to_input(images: Tensor) -> Tensor:
    """Scale uint8 `(N, 48, 48)` to float32 `(N, 1, 48, 48)`, about -2..2."""
    scaled = images.unsqueeze(1).float().sub_(MIDDLE_GRAY).div_(GRAY_LEVELS)
    return scaled.contiguous(memory_format=torch.channels_last)


def draw_view(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> View:
    """Sample a view of images `(N, 48, 48)` on the generator's device, without flips."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    n, side = len(images), images.shape[-1]
    angle = uniform(n) * math.radians(augmentation.rotation_degrees)
    scale = 1 + uniform(n) * augmentation.zoom
    shift = uniform(2, n) * augmentation.shift_px * 2 / side
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [cosine, -sine, shift[0], sine, cosine, shift[1]]
    tones = torch.stack([1 + uniform(n) * augmentation.contrast, uniform(n) * augmentation.contrast], 1)
    return View(torch.stack(rows, 1).view(n, 2, 3), tones)


def flipped(view: View, generator: torch.Generator) -> View:
    """The same view with each face mirrored with probability 0.5."""
    coin = torch.rand(len(view.matrices), generator=generator, device=generator.device) < 0.5
    mirror = torch.where(coin, -1.0, 1.0)[:, None] * view.matrices[:, :, 0]
    return replace(view, matrices=torch.cat([mirror[..., None], view.matrices[:, :, 1:]], 2))


def render_view(images: Tensor, view: View, rows: Tensor, side_px: int) -> Tensor:
    """Render the given rows as network inputs `(len(rows), 1, side_px, side_px)`."""
    grid = F.affine_grid(view.matrices[rows], [len(rows), 1, side_px, side_px], align_corners=False)
    outputs = F.grid_sample(to_input(images[rows]), grid, padding_mode="border", align_corners=False)
    gain, offset = view.tones[rows].T[..., None, None, None]
    return torch.addcmul(offset, outputs, gain).contiguous(memory_format=torch.channels_last)


def crops(images: Tensor, view: View) -> Tensor:
    """Render the view's geometry, without its tones, as uint8 `(N, 48, 48)`."""
    parts = []
    for rows in torch.arange(len(images)).split(1024):  # bounds the memory
        pixels = images[rows].unsqueeze(1).float()
        grid = F.affine_grid(view.matrices[rows], list(pixels.shape), align_corners=False)
        # Bicubic interpolation keeps the crops as sharp as the images.
        cropped = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=False)
        parts.append(cropped.round_().clamp_(0, 255).squeeze(1).byte())
    return torch.cat(parts)


def shuffled(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield shuffled batches of the rows 0..n-1; an incomplete last one is dropped."""
    size = min(size, n)
    yield from torch.randperm(n, generator=generator, device=generator.device).split(size)[: n // size]
