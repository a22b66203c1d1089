"""Faces in folders: images in a folder per class, or shards of one data set."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.arrays import read_npy
from fer_utils.data.classes import ADVICE, DASH, LEFT_OUT, class_of, is_number, named_class
from fer_utils.data.columns import default_usage
from fer_utils.data.faces import CLASSES, USAGES, FaceSet, joined
from fer_utils.data.parquet_files import read_parquet
from fer_utils.data.pictures import IMAGE_KINDS, is_picture, natural, read_all, visible_files
from fer_utils.data.usages import ALLOWED_USAGES, part_in, usage_by_part
from fer_utils.errors import InputError

EXPORTED = re.compile(rf"({'|'.join(USAGES)})_\d+")  # a file of images exported from fer2013.csv, such as Training_12
TABLES = (".csv", ".npz", ".zip", ".gz", ".xz")  # files that hold a data set each


def read_folder(path: Path, order: tuple[str, ...] = ()) -> FaceSet:
    """Read images in class folders; or Parquet files, or .npy files, that together are one data set."""
    files = visible_files(path)
    classed = any(_class_folders(path, file) for file in files)
    shards = [file for file in files if file.suffix == ".parquet"]
    arrays = [file for file in files if file.suffix == ".npy"]
    if shards and not classed:
        return _read_shards(path, shards, order)
    if arrays and not classed:
        return read_npy(arrays, path, order)
    return _read_images(path, files, order)


def _folders(path: Path, file: Path) -> list[str]:
    """The names of the folders below `path` that a file lies in."""
    return list(file.relative_to(path).parts[:-1])


def _class_folders(path: Path, file: Path) -> list[str]:
    return [folder for folder in _folders(path, file) if named_class(folder) is not None]


def _read_shards(path: Path, files: Sequence[Path], order: tuple[str, ...]) -> FaceSet:
    """Read Parquet files, whose names or folders may tell the part, such as `test` in test-00000-of-00001.parquet."""
    parts = [_part([*_folders(path, file), file.stem]) for file in files]
    _refuse_unknown_parts(path, files, parts)
    usages = usage_by_part(parts)
    shards = [read_parquet(file, order, usages.get(part or "", "")) for file, part in zip(files, parts, strict=True)]
    return joined(shards, path.name)


def _read_images(path: Path, files: Sequence[Path], order: tuple[str, ...]) -> FaceSet:
    """Read class folders of images, also below folders such as `train/`, `test/` or `val/`.

    A name such as PrivateTest_123.png overrides the folder. Files are sorted by the numbers in their names, which
    restores the row order of images exported from fer2013.csv. Raises `InputError` for a folder beside such ones whose
    name says nothing about the usage of its images.
    """
    found = [file for file in files if is_picture(file)]
    if not found:
        raise InputError(f"{path}: expected folders {', '.join(CLASSES)}, also below train/ and test/. {_held(path)}")
    parts = [
        exported[1] if (exported := EXPORTED.fullmatch(file.stem)) else _part(_folders(path, file)) for file in found
    ]
    _refuse_unknown_parts(path, found, parts)
    labels = np.array([_label(path, file, order) for file in found])
    usages = usage_by_part(parts)
    usage = [
        usages[part] if part else default for part, default in zip(parts, default_usage(path, labels), strict=True)
    ]
    rows = pd.DataFrame({"usage": usage, "label": labels, "file": found, "part": parts})
    rows["place"] = rows.usage.map(USAGES.index)
    ordered = sorted(rows.itertuples(), key=lambda row: (row.place, natural(row.file.stem), row.label))
    kept = [row for row in ordered if row.label != LEFT_OUT]
    if not kept:
        raise InputError(f"{path}: all images are of classes that --classes leaves out")
    faces = FaceSet(
        read_all([row.file for row in kept], [str(row.file) for row in kept]),
        np.array([row.label for row in kept]),
        np.array([row.usage for row in kept]),
        path.name,
        reading=_reading(path, rows),
    )
    for skipped in _skipped(path, files, len(ordered) - len(kept)):
        faces = faces.noted(skipped)
    return faces


def _held(path: Path) -> str:
    tables = ", ".join(file.name for file in sorted(path.iterdir()) if file.suffix in TABLES)
    return f"It holds {tables}: give one of them" if tables else "It holds no images"


def _part(names: Sequence[str]) -> str | None:
    """The part of the data set that the last of some names tells; None if none does."""
    return next((part for name in reversed(names) if (part := part_in(name))), None)


def _refuse_unknown_parts(path: Path, files: Sequence[Path], parts: Sequence[str | None]) -> None:
    """Raise `InputError` if the names of some files or folders tell the part and others do not."""
    unknown = [file for file, part in zip(files, parts, strict=True) if part is None]
    if unknown and len(unknown) < len(parts):
        name = unknown[0].relative_to(path).parts[0]
        raise InputError(
            f"{path}: beside those of train and test lies {name!r}, whose faces could be of any part. Rename or remove "
            f"it; allowed are {ALLOWED_USAGES}"
        )


def _label(path: Path, file: Path, order: tuple[str, ...]) -> int:
    """The class that the innermost folder with a meaning names."""
    folders = [folder for folder in reversed(_folders(path, file)) if part_in(folder) is None]
    meant = [class_of(folder, order) for folder in folders if order or not is_number(folder)]
    if known := [number for number in meant if number is not None]:
        return next((number for number in known if number != LEFT_OUT), LEFT_OUT)
    if numbers := list(filter(is_number, folders)):
        raise InputError(f"{file}: nothing tells the class of folder {numbers[0]}; {ADVICE}")
    allowed = ", ".join(name for name in order if name != DASH) or ", ".join(CLASSES)
    where = f"in folder {folders[0]!r}, which is no class" if folders else "in no class folder"
    raise InputError(
        f"{file}: {where}; allowed are {allowed}. Rename it, or leave it out: --classes {','.join(CLASSES)},-"
    )


def _reading(path: Path, rows: pd.DataFrame) -> tuple[str, ...]:
    """How the folders were understood: one line for the usage of each, one for the classes."""
    names = pd.DataFrame(
        {"class": [_class_folder(path, file) for file in rows.file], "label": rows.label}
    ).drop_duplicates()
    told = {LEFT_OUT: "left out"} | dict(enumerate(CLASSES))
    parts = rows.groupby([rows.part.fillna(path.name), "usage"]).size()
    lines = [f"{part}: {usage}" for part, usage in parts.index if part != usage]
    return (
        *lines,
        "folders "
        + ", ".join(f"{name} → {told[label]}" for name, label in sorted(zip(names["class"], names.label, strict=True))),
    )


def _class_folder(path: Path, file: Path) -> str:
    folders = [folder for folder in _folders(path, file) if part_in(folder) is None]
    return (_class_folders(path, file) or folders)[-1]


def _skipped(path: Path, files: Sequence[Path], left_out: int) -> list[str]:
    """What was not read: files in class folders that are no images, and classes left out."""
    told = []
    if unread := [file for file in files if _class_folders(path, file) and not is_picture(file)]:
        told.append(
            f"{path}: ignored {len(unread)} files in class folders, such as {unread[0]}; allowed are {IMAGE_KINDS}"
        )
    if left_out:
        told.append(f"{path}: left out {left_out:,} images of classes that --classes leaves out")
    return told
