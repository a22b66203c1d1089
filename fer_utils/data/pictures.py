"""Pictures of a face each, of any size."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from fer_utils.data.faces import SIDE_PX
from fer_utils.errors import InputError

IMAGE_SUFFIXES = {".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"}
IMAGE_KINDS = ", ".join(sorted(IMAGE_SUFFIXES))  # for messages
SMALLEST_PX = 16  # of a picture of a face; scaled up, a smaller one is a blur


def read_picture(source: Path | IO[bytes], where: str) -> np.ndarray:
    """A gray face, uint8 `(48, 48)`, from a file or bytes that show one.

    The picture is turned as its camera says, its middle square is cut out, and that is scaled. Raises `InputError` with
    `where` for what is no image, or has fewer than 16 pixels a side.
    """
    picture = _gray(source, where)
    if min(picture.size) < SMALLEST_PX:
        raise InputError(f"{where}: {picture.width}x{picture.height} pixels; a face has at least {SMALLEST_PX} a side")
    return np.asarray(ImageOps.fit(picture, (SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def _gray(source: Path | IO[bytes], where: str) -> Image.Image:
    try:
        with Image.open(source) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{where}: {image.mode} pixels, expected 8 bits a channel")
            return ImageOps.exif_transpose(image).convert("L")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # all that Pillow raises
        raise InputError(f"{where}: not an image that can be read ({error})") from None


def read_pictures(paths: Sequence[Path]) -> np.ndarray:
    """Gray faces, uint8 `(N, 48, 48)`, from files, each by `read_picture`; `InputError` where one is missing."""
    for path in paths:
        if not path.exists():
            raise InputError(f"no file {path}: give images ({IMAGE_KINDS}), or a folder of them")
    return np.stack([read_picture(path, str(path)) for path in paths])


def is_picture(path: Path) -> bool:
    """Whether a file is an image, by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def visible_files(folder: Path) -> list[Path]:
    """The files in a folder and those below it, also behind links, in the order of their names, but hidden ones."""
    found = sorted(Path(above, name) for above, _, names in os.walk(folder, followlinks=True) for name in names)
    # Hidden are `.ipynb_checkpoints`, and the `._face.png` that macOS puts into archives.
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and the images in the folders among them, whatever these are called."""
    found = [file for path in paths for file in (filter(is_picture, visible_files(path)) if path.is_dir() else [path])]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no images ({IMAGE_KINDS}) in there")
    return found
