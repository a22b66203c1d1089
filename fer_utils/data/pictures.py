"""Image files of faces, of any size."""

import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_utils.data.faces import SIDE_PX
from fer_utils.errors import InputError

IMAGE_SUFFIXES = {
    ".avif", ".bmp", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
}  # fmt: skip
# Images too: reading them fails with a message.
UNREADABLE_SUFFIXES = {".cr2", ".dng", ".eps", ".heic", ".heif", ".ico", ".jxl", ".nef", ".pcx", ".psd", ".svg", ".tga"}
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")  # Pillow's names of these
ANIMATED = ("GIF", "PNG", "TIFF", "WEBP")  # may hold several pictures
IMAGE_KINDS = ", ".join(sorted(IMAGE_SUFFIXES))  # for messages
LARGEST_PX = 64_000_000  # pixels of an image, so that a small file cannot fill the memory
CHANNELS = (1, 3, 4)  # gray, RGB, RGBA
LEVELS_16_BITS = 257  # gray levels of 16 bits for each of 8 bits
# Pillow's warning about metadata that do not matter, which would come without a file's name.
warnings.filterwarnings("ignore", "Corrupt EXIF data")
SMALLEST_PX = 16  # a smaller image is only a blur when scaled up


def read_picture(source: Path | IO[bytes], where: str) -> np.ndarray:
    """Read a file or bytes as a gray face, uint8 `(48, 48)`.

    Applies the EXIF orientation, lays transparent pixels on white, scales 16 bits to 8, cuts out the central square and
    scales it. Raises `InputError`, which names `where`, for anything but an image with at least 16 pixels a side and at
    most 64 million pixels.
    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > LARGEST_PX:
                found = f"{image.width:,}x{image.height:,} pixels, allowed are {LARGEST_PX:,} in all"
                raise InputError(f"{where}: {found}. Cut out the face")
            if image.format in ANIMATED and (frames := getattr(image, "n_frames", 1)) > 1:
                raise InputError(f"{where}: {frames} pictures in one file. Save each as a file")
            picture = _gray(ImageOps.exif_transpose(image), image.format or "", where)
    except InputError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on a damaged file
        told = "of no known format" if isinstance(error, UnidentifiedImageError) else str(error)
        raise InputError(f"{where}: not a readable image ({told}). Replace or remove it") from None
    return _square(picture, where)


def _square(picture: Image.Image, where: str) -> np.ndarray:
    """The central square of a gray picture, scaled: uint8 `(48, 48)`."""
    if min(picture.size) < SMALLEST_PX:
        size = f"{picture.width}x{picture.height} pixels"
        raise InputError(f"{where}: {size}, expected at least {SMALLEST_PX} a side. Replace or remove it")
    return np.asarray(ImageOps.fit(picture, (SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def gray_faces(array: np.ndarray, where: str) -> np.ndarray:
    """Pixels of any whole-number type as gray faces, uint8 `(N, 48, 48)`.

    `array` is `(N, H, W)`, or has 1, 3 or 4 channels last, or 1 or 3 after N, or is `(N, 2304)`. Raises `InputError`,
    which names `where`, for other shapes and for values other than 0, 1, ..., 255.
    """
    if array.ndim == 2 and array.shape[1] == SIDE_PX**2:
        array = array.reshape(-1, SIDE_PX, SIDE_PX)
    if array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS:
        array = np.moveaxis(array, 1, 3)
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in CHANNELS)):
        raise InputError(
            f"{where}: pixels of shape {array.shape}; expected are images such as (N, {SIDE_PX}, {SIDE_PX})"
        )
    if array.ndim == 3 and array.shape[:2] == (SIDE_PX, SIDE_PX) != array.shape[1:]:
        raise InputError(
            f"{where}: pixels of shape {array.shape}; expected is (N, {SIDE_PX}, {SIDE_PX}). Move the axes"
        )
    if array.dtype.kind == "b":
        array = array * np.uint8(255)
    if array.dtype.kind not in "biuf" or not ((array >= 0) & (array <= 255) & (array == np.floor(array))).all():
        advice = "If they are scaled to 0..1, multiply by 255 and round"
        raise InputError(f"{where}: pixels that are not whole numbers of 0..255. {advice}")
    if len(array) > 1 and array.max() == 1:
        raise InputError(
            f"{where}: no pixel is above 1, allowed are 0..255. If they were scaled to 0..1, scale them back"
        )
    pixels = array.astype(np.uint8)
    if pixels.shape[1:] == (SIDE_PX, SIDE_PX):
        return pixels
    pixels = pixels[..., 0] if pixels.shape[3:] == (1,) else pixels
    return np.stack([_square(_gray(Image.fromarray(each), "", where), where) for each in pixels])


def _gray(image: Image.Image, format: str, where: str) -> Image.Image:
    """An image in 8-bit gray."""
    if image.mode.startswith("I;16") or (image.mode == "I" and format == "PPM"):
        return Image.fromarray(_eight_bits(np.asarray(image)))
    if image.mode in ("I", "F", "LAB"):
        raise InputError(f"{where}: {image.mode} pixels, expected gray or RGB with 8 or 16 bits. Convert the image")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return image.convert("L")


def _eight_bits(pixels: np.ndarray) -> np.ndarray:
    """Gray levels of 16 bits as 8 bits; of 8 or 12 bits if none is higher, since these are stored in 16 bits too."""
    highest = pixels.max(initial=0)
    return (pixels // (1 if highest < 1 << 8 else 16 if highest < 1 << 12 else LEVELS_16_BITS)).astype(np.uint8)


def read_all(sources: Iterable[Path | IO[bytes]], names: Iterable[str]) -> np.ndarray:
    """Read images as `read_picture` does, in several threads: uint8 `(N, 48, 48)`."""
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(read_picture, sources, names)))


def read_pictures(
    paths: Sequence[Path], skip: Callable[[InputError], None] | None = None
) -> tuple[np.ndarray, list[Path]]:
    """Read image files: uint8 `(N, 48, 48)`, and the N files.

    An unreadable file raises `InputError` as `read_picture` does. With `skip`, the error is passed to it instead and
    the file left out, unless no file is readable.
    """
    images, read, errors = [], [], []
    with ThreadPoolExecutor() as pool:
        for path, result in zip(paths, pool.map(_attempt, paths), strict=True):
            if isinstance(result, InputError):
                errors.append(result)
            else:
                images.append(result)
                read.append(path)
    if errors and (skip is None or not images):
        raise errors[0]
    for error in errors:
        assert skip
        skip(error)
    return np.stack(images), read


def _attempt(path: Path) -> np.ndarray | InputError:
    """The image of a file, or the error of reading it."""
    if not path.exists():
        return InputError(f"no file {shown(path)}: give images ({IMAGE_KINDS}) or a folder of them")
    try:
        return read_picture(path, shown(path))
    except InputError as error:
        return error


def shown(path: Path) -> str:
    """The name of a file as text that can be printed; bytes that are not UTF-8 as in `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_picture(path: Path) -> bool:
    """Whether a file is an image, by its name or its content."""
    if path.suffix.lower() in IMAGE_SUFFIXES | UNREADABLE_SUFFIXES:
        return True
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:  # as in `read_picture`
        return False


def visible_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted by name; follows links, but each folder once, and skips hidden files."""
    found, seen = [], set()
    for above, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(above)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]  # else a link into one would be lost
        folders.sort()  # so that of two links to a folder always the same one is followed
        found += [Path(above, name) for name in names]
    # Skips `.ipynb_checkpoints`, and the `._face.png` that macOS puts into archives.
    return [file for file in sorted(found) if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def find_pictures(paths: Iterable[Path]) -> list[Path]:
    """The files among `paths`, and the images in its folders by name; `InputError` if none."""
    found = [file for path in paths for file in (pictures_in(path) if path.is_dir() else [path])]
    if not found:
        raise InputError(f"{', '.join(map(shown, paths))}: no images ({IMAGE_KINDS}) found")
    return found


def pictures_in(folder: Path) -> list[Path]:
    """The images in a folder, by name."""
    return sorted(filter(is_picture, visible_files(folder)), key=lambda file: natural(str(file)))


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts a9 before a10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", text)]
