"""Faces in NumPy files: one .npz, one .npy, or a folder of .npy files."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_utils.data.columns import KIND_OF, Rows, faces_of
from fer_utils.data.faces import UNLABELLED, FaceSet, joined
from fer_utils.data.pictures import gray_faces
from fer_utils.data.usages import part_in, usage_by_part
from fer_utils.errors import InputError

LARGEST_BYTES = 8 << 30
UNPICKLED = "objects, which would have to be unpickled; save numbers or texts"


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path, order: tuple[str, ...] = ()) -> FaceSet:
    """Read arrays of images and labels from a .npz, such as x_train, y_train, x_test and y_test."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST_BYTES:
        raise InputError(f"{path}: {size:,} bytes of arrays; allowed are {LARGEST_BYTES:,}")
    with np.load(path) as stored:
        return _read_arrays(path, {name: _array(stored, name, path) for name in stored.files}, order)


def read_npy(paths: list[Path], path: Path, order: tuple[str, ...] = ()) -> FaceSet:
    """Read arrays of images and labels from .npy files of the folder `path`, or from the one file `path`."""
    return _read_arrays(path, {file.stem: _array(file, "", file) for file in paths}, order)


def _array(stored: np.lib.npyio.NpzFile | Path, name: str, path: Path) -> np.ndarray:
    try:
        return np.load(stored, mmap_mode="r") if isinstance(stored, Path) else stored[name]
    except Exception as error:  # NumPy's reader of headers raises almost anything
        what = UNPICKLED if "pickle" in str(error) else f"no readable array ({error})"
        raise InputError(f"{path}{f', {name}' if name else ''}: {what}") from None


def _read_arrays(path: Path, arrays: Mapping[str, np.ndarray], order: tuple[str, ...]) -> FaceSet:
    """The faces of arrays, each part of the data set with one of images and at most one of labels, usages and ids.

    Their names tell the part, such as `test` in `x_test`.
    """
    groups: dict[str | None, dict[str, str]] = {}
    for name, array in arrays.items():
        group, kind = groups.setdefault(part_in(name), {}), _kind(name, array)
        if kind in group:
            raise InputError(f"{path}: {group[kind]} and {name} are both {kind}s of one part. Remove one of them")
        group[kind] = name
    for group in groups.values():
        if "image" not in group:
            raise InputError(
                f"{path}: {', '.join(group.values())} without images; expected is an array such as x_train"
            )
    if None in groups and len(groups) > 1:
        raise InputError(f"{path}: {groups[None]['image']} could be of any part. Name it as the others, such as x_test")
    usages = usage_by_part(groups)
    read = [_faces(path, arrays, group, order, usages[part] if part else "") for part, group in groups.items()]
    if not read:
        raise InputError(f"{path}: no arrays; expected are arrays such as x_train and y_train")
    return joined(read, path.name)


def _kind(name: str, array: np.ndarray) -> str:
    """What an array holds: images by its shape, otherwise by its name; labels if that tells nothing."""
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] > 16):
        return "image"
    kind = KIND_OF.get(name.lower())
    return kind if kind in ("usage", "id") else "label"


def _faces(
    path: Path, arrays: Mapping[str, np.ndarray], group: Mapping[str, str], order: tuple[str, ...], usage: str
) -> FaceSet:
    """The faces of one part of a data set; `group` has the names of its arrays by what they hold."""
    images = gray_faces(arrays[group["image"]], f"{path}, {group['image']}")
    columns = {
        name: _column(arrays[name], f"{path}, {name}", len(images)) for kind, name in group.items() if kind != "image"
    }
    rows = Rows(
        images,
        {group["label"]: columns[group["label"]]} if "label" in group else {},
        {group["usage"]: columns[group["usage"]]} if "usage" in group else {},
        columns[group["id"]] if "id" in group else None,
    )
    return faces_of(rows, path, order, lambda row: f"{path}, {group['image']}, row {row}", usage)


def _column(array: np.ndarray, where: str, count: int) -> list:
    """An array of labels, usages or ids as words; a row per class with a single 1 counts as the number of the class."""
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "biuf":
        if not ((array == 0) | (array == 1)).all() or not (array.sum(axis=1) == 1).all():
            raise InputError(f"{where}: shape {array.shape}; expected is a label per image, or rows with a single 1")
        array = array.argmax(axis=1)
    if array.size != count or array.dtype.kind not in "biufUS":
        raise InputError(
            f"{where}: {array.dtype} {array.shape}; expected are {count:,} numbers or texts, one per image"
        )
    values = [None if value == UNLABELLED else value for value in array.ravel().tolist()]
    return [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
