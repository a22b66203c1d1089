"""Image files of faces, of any size."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from fer_utils.data.faces import SIDE_PX
from fer_utils.errors import InputError

IMAGE_SUFFIXES = {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"}
IMAGE_KINDS = ", ".join(sorted(IMAGE_SUFFIXES))  # for messages
SMALLEST_PX = 16  # a smaller image is only a blur when scaled up


def read_picture(source: Path | IO[bytes], where: str) -> np.ndarray:
    """Read a file or bytes as a gray face, uint8 `(48, 48)`.

    Applies the EXIF orientation, cuts out the central square and scales it. Raises `InputError`, which names `where`,
    for anything but an image with at least 16 pixels a side and 8 bits per channel.
    """
    try:
        with Image.open(source) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{where}: {image.mode} pixels, expected 8 bits per channel. Convert the image")
            picture = ImageOps.exif_transpose(image).convert("L")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # all that Pillow raises
        raise InputError(f"{where}: not a readable image ({error}). Replace or remove it") from None
    if min(picture.size) < SMALLEST_PX:
        size = f"{picture.width}x{picture.height} pixels"
        raise InputError(f"{where}: {size}, expected at least {SMALLEST_PX} a side. Replace or remove it")
    return np.asarray(ImageOps.fit(picture, (SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def read_all(sources: Iterable[Path | IO[bytes]], names: Iterable[str]) -> np.ndarray:
    """Read images as `read_picture` does, in several threads: uint8 `(N, 48, 48)`."""
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read_picture, sources, names)))


def read_pictures(paths: Sequence[Path]) -> np.ndarray:
    """Read image files: uint8 `(N, 48, 48)`; `InputError` as `read_picture`."""
    for path in paths:
        if not path.exists():
            raise InputError(f"no file {path}: give images ({IMAGE_KINDS}) or a folder of them")
    return read_all(paths, map(str, paths))


def is_picture(path: Path) -> bool:
    """Whether the file name is that of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def visible_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by name; follows links, skips hidden files."""
    found = sorted(Path(above, name) for above, _, names in os.walk(folder, followlinks=True) for name in names)
    # Skips `.ipynb_checkpoints`, and the `._face.png` that macOS puts into archives.
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths` and the images in its folders; `InputError` if none."""
    found = [file for path in paths for file in (filter(is_picture, visible_files(path)) if path.is_dir() else [path])]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no images ({IMAGE_KINDS}) found")
    return found
