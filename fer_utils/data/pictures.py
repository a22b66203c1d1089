"""Pictures of a face each, of any size: what people hold who want to know what a net sees."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from fer_utils.data.faces import SIDE_PX
from fer_utils.errors import InputError

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
IMAGE_KINDS = ", ".join(sorted(IMAGE_SUFFIXES))  # for messages
SMALLEST_PX = 16  # of a picture of a face; scaled up, a smaller one is a blur


def gray(source: Path | IO[bytes], where: str) -> Image.Image:
    """A gray image from a file or bytes, turned as its camera says."""
    try:
        with Image.open(source) as image:
            if image.mode.startswith(("I", "F")):
                raise InputError(f"{where}: {image.mode} pixels, expected 8 bits a channel")
            return ImageOps.exif_transpose(image).convert("L")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # all that Pillow raises
        raise InputError(f"{where}: not an image that can be read ({error})") from None


def read_pictures(paths: Sequence[Path]) -> np.ndarray:
    """Gray faces, uint8 `(N, 48, 48)`, from image files that each show one face.

    A picture is turned as its camera says, its middle square is cut out, and that is scaled. Raises `InputError` for
    a file that is not there, is no image, or has fewer than 16 pixels a side.
    """
    return np.stack([_picture(path) for path in paths])


def _picture(path: Path) -> np.ndarray:
    if not path.exists():
        raise InputError(f"no file {path}: give images ({IMAGE_KINDS}), or a folder of them")
    picture = gray(path, str(path))
    if min(picture.size) < SMALLEST_PX:
        raise InputError(f"{path}: {picture.width}x{picture.height} pixels; a face has at least {SMALLEST_PX} a side")
    return np.asarray(ImageOps.fit(picture, (SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def is_picture(path: Path) -> bool:
    """Whether a file is an image, by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The images in a folder and those below it, in the order of their names, without hidden ones."""
    found = [file for file in sorted(folder.rglob("*")) if is_picture(file)]
    # Such as `.ipynb_checkpoints`, and the `._face.png` that macOS puts into archives.
    return [file for file in found if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and the images in the folders among them, whatever these are called."""
    found = [file for path in paths for file in (pictures_in(path) if path.is_dir() else [path])]
    if not found:
        raise InputError(f"{', '.join(map(str, paths))}: no images ({IMAGE_KINDS}) in there")
    return found
