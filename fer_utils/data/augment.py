"""Augmented views of faces, rendered for whole batches on the device that holds the images."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

GRAY_LEVELS = 64  # that an input of 1 stands for
MIDDLE_GRAY = 127.5


@dataclass(frozen=True)
class Augmentation:
    """How far each face is changed at random in an epoch; amounts are drawn evenly from -value..value.

    `contrast` scales the tones, and shifts them by that share of `GRAY_LEVELS`. Half of the faces are mirrored as well,
    by `flipped`.
    """

    rotation_degrees: float = 0.0
    shift_px: float = 0.0
    zoom: float = 0.0
    contrast: float = 0.0


@dataclass(frozen=True)
class View:
    """One way to look at N faces: for each a matrix `(N, 2, 3)` that cuts it, and a gain and an offset `(N, 2)`."""

    matrices: Tensor
    tones: Tensor

    def to(self, device: torch.device) -> "View":
        """The same view on another device."""
        return View(self.matrices.to(device), self.tones.to(device))


def to_input(images: Tensor) -> Tensor:
    """What a model takes: uint8 `(N, 48, 48)` -> float32 `(N, 1, 48, 48)`, about -2..2, in channels-last order."""
    scaled = images.unsqueeze(1).float().sub_(MIDDLE_GRAY).div_(GRAY_LEVELS)
    return scaled.contiguous(memory_format=torch.channels_last)


def draw_view(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> View:
    """Draw how each of the images `(N, 48, 48)` is changed, but for the flip, on the generator's device."""

    def even(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    n, side = len(images), images.shape[-1]
    angle = even(n) * math.radians(augmentation.rotation_degrees)
    scale = 1 + even(n) * augmentation.zoom
    shift = even(2, n) * augmentation.shift_px * 2 / side
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [cosine, -sine, shift[0], sine, cosine, shift[1]]
    tones = torch.stack([1 + even(n) * augmentation.contrast, even(n) * augmentation.contrast], 1)
    return View(torch.stack(rows, 1).view(n, 2, 3), tones)


def flipped(view: View, generator: torch.Generator) -> View:
    """The same view with about half of the faces mirrored."""
    coin = torch.rand(len(view.matrices), generator=generator, device=generator.device) < 0.5
    mirror = torch.where(coin, -1.0, 1.0)[:, None] * view.matrices[:, :, 0]
    return replace(view, matrices=torch.cat([mirror[..., None], view.matrices[:, :, 1:]], 2))


def render_view(images: Tensor, view: View, rows: Tensor, side_px: int) -> Tensor:
    """The faces of these rows as the view shows them, as inputs `(len(rows), 1, side_px, side_px)`.

    Pixels outside the image repeat its edge.
    """
    grid = F.affine_grid(view.matrices[rows], [len(rows), 1, side_px, side_px], align_corners=False)
    outputs = F.grid_sample(to_input(images[rows]), grid, padding_mode="border", align_corners=False)
    gain, offset = view.tones[rows].T[..., None, None, None]
    return torch.addcmul(offset, outputs, gain).contiguous(memory_format=torch.channels_last)


def crops(images: Tensor, view: View) -> Tensor:
    """The faces `(N, 48, 48)` as the view frames them, again as images: uint8 `(N, 48, 48)`.

    Bicubic, since a crop of a photograph is as sharp as the face; tones stay.
    """
    parts = []
    for rows in torch.arange(len(images)).split(1024):  # bounds the memory
        pixels = images[rows].unsqueeze(1).float()
        grid = F.affine_grid(view.matrices[rows], list(pixels.shape), align_corners=False)
        cropped = F.grid_sample(pixels, grid, mode="bicubic", padding_mode="border", align_corners=False)
        parts.append(cropped.round_().clamp_(0, 255).squeeze(1).byte())
    return torch.cat(parts)


def shuffled(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """One epoch in random order: batches of `size` of the rows 0..n-1. A last batch that is not full is left out."""
    size = min(size, n)
    yield from torch.randperm(n, generator=generator, device=generator.device).split(size)[: n // size]
