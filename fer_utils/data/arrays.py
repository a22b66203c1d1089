"""Faces in NumPy files: one .npz, one .npy, or a folder of .npy files."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_utils.data.classes import Order, named_class, parse_order
from fer_utils.data.columns import KIND_OF
from fer_utils.data.faces import UNLABELLED, USAGES, FaceSet, joined
from fer_utils.data.pictures import gray_faces
from fer_utils.data.rows import Rows, faces_of
from fer_utils.data.usages import part_in, part_in_parts, usage_by_part, words_in
from fer_utils.errors import InputError

LARGEST_BYTES = 8 << 30
WIDEST_LABEL = 16  # columns of an array that may have one for each class
UNPICKLED = "objects, which would have to be unpickled; save numbers or texts"


def is_npz(path: Path) -> bool:
    """Whether a file is a zip of arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def read_npz(path: Path, order: Order = ()) -> FaceSet:
    """Read arrays of images and labels from a .npz, such as x_train, y_train, x_test and y_test."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > LARGEST_BYTES:
        raise InputError(f"{path}: {size:,} bytes of arrays; allowed are {LARGEST_BYTES:,}")
    with np.load(path) as stored:
        return _read_arrays(path, {name: _array(stored, name, path) for name in stored.files}, order)


def read_npy(files: Sequence[Path], path: Path, order: Order = ()) -> FaceSet:
    """Read arrays of images and labels from .npy files of the folder `path`, or from the one file `path`."""
    names = {str(file.relative_to(path.parent if file == path else path).with_suffix("")): file for file in files}
    return _read_arrays(path, {name: _array(file, "", file) for name, file in names.items()}, order)


def _array(stored: np.lib.npyio.NpzFile | Path, name: str, path: Path) -> np.ndarray:
    try:
        return np.load(stored, mmap_mode="r") if isinstance(stored, Path) else stored[name]
    except Exception as error:  # NumPy's reader of headers raises almost anything
        what = UNPICKLED if "pickle" in str(error) else f"no readable array ({error})"
        raise InputError(f"{path}{f', {name}' if name else ''}: {what}") from None


def _read_arrays(path: Path, arrays: Mapping[str, np.ndarray], order: Order) -> FaceSet:
    """The faces of arrays, each part of the data set with one of images and at most one of labels, usages and ids.

    Their names tell the part, such as `test` in `x_test` or `test/x`. An array of the names of the classes is their
    order. Others are ignored with a warning.
    """
    sizes = {len(array) for name, array in arrays.items() if _kind(name, array) == "image"}
    names = {name: list(array) for name, array in arrays.items() if _names_classes(array) and len(array) not in sizes}
    if len({tuple(map(named_class, each)) for each in names.values()}) > 1:
        raise InputError(f"{path}: {' and '.join(names)} name the classes in different orders. Delete all but one")
    if not order and order is not None and names:
        order = parse_order(",".join(next(iter(names.values()))))
    groups: dict[str | None, dict[str, str]] = {}
    ignored = []
    are_named = any(_is_label(name) and _kind(name, array) == "label" for name, array in arrays.items())
    for name, array in arrays.items():
        kind = None if name in names else _kind(name, array)
        if kind is None or (kind == "label" and are_named and not _is_label(name)):
            ignored += [] if name in names else [name]
            continue
        group = groups.setdefault(_part(name), {})
        if kind in group:
            raise InputError(
                f"{path}: {group[kind]} and {name} are both {kind}s of one part. Name the parts, as x_test"
            )
        group[kind] = name
    for group in groups.values():
        if "image" not in group:
            raise InputError(
                f"{path}: {', '.join(group.values())} without images; expected is an array such as x_train"
            )
    if None in groups and len(groups) > 1:
        raise InputError(f"{path}: {groups[None]['image']} could be of any part. Name it as the others, such as x_test")
    given = usage_by_part(groups)
    usages = {part: given[part] if part else "" for part in groups}
    ordered = sorted(groups, key=lambda part: ("", *USAGES).index(usages[part]))
    read = [_faces(path, arrays, groups[part], order, usages[part]) for part in ordered]
    if not read:
        raise InputError(f"{path}: no arrays of images; expected are arrays such as x_train and y_train")
    faces = joined(read, path.name)
    return faces.noted(f"{path}: ignored the arrays {', '.join(ignored)}") if ignored else faces


def _part(name: str) -> str | None:
    """The part that a name tells, also as in `xtrain`."""
    return part_in_parts(Path(name).parts) or part_in(re.sub(r"^[xXyY]", "", Path(name).name))


def _names_classes(array: np.ndarray) -> bool:
    """Whether an array has names of classes, each once."""
    return (
        array.ndim == 1
        and array.dtype.kind == "U"
        and len({named_class(name) for name in array} - {None}) == len(array)
    )


def _is_label(name: str) -> bool:
    """Whether the name of an array says that it has labels, as `y_train`."""
    words = [word.lower() for word in words_in(Path(name).name)]
    return any(KIND_OF.get(word) == "label" for word in words) or Path(name).name.lower().startswith("y")


def _kind(name: str, array: np.ndarray) -> str | None:
    """What an array holds: images by its shape, otherwise by its name; labels unless its shape is none of labels."""
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] > WIDEST_LABEL):
        return "image"
    words = [word.lower() for word in words_in(Path(name).name)]
    if set(words) & {"votes", "mean", "std", "weights", "weight"} or array.ndim == 0:
        return None
    return next((kind for word in words if (kind := KIND_OF.get(word)) in ("usage", "id")), "label")


def _faces(path: Path, arrays: Mapping[str, np.ndarray], group: Mapping[str, str], order: Order, usage: str) -> FaceSet:
    """The faces of one part of a data set; `group` has the names of its arrays by what they hold."""
    images = gray_faces(arrays[group["image"]], f"{path}, {group['image']}")
    if not len(images):
        raise InputError(f"{path}, {group['image']}: no images")
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
