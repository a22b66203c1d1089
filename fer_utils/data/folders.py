"""Faces in folders of images, one folder per class."""

import re
import warnings
from pathlib import Path

import numpy as np

from fer_utils.data.faces import CLASSES, USAGES, FaceSet
from fer_utils.data.pictures import IMAGE_KINDS, is_picture, natural, read_all, visible_files
from fer_utils.data.usages import ALLOWED_USAGES, part_of, usage_by_part
from fer_utils.errors import InputError

EXPORTED = re.compile(rf"({'|'.join(USAGES)})_\d+")  # a file of images exported from fer2013.csv, such as Training_12
CLASS_NUMBERS = {name: i for i, name in enumerate(CLASSES)} | {
    "anger": 0, "disgusted": 1, "fearful": 2, "happiness": 3, "sadness": 4, "surprised": 5,
}  # fmt: skip


def read_folder(path: Path) -> FaceSet:
    """Read class folders of images, also below folders such as `train/`, `test/` or `val/` (`usages.part_of`).

    A name such as PrivateTest_123.png overrides the folder. Files are sorted by the numbers in their names, which
    restores the row order of images exported from fer2013.csv. Raises `InputError` for a folder beside such ones whose
    name says nothing about the usage of its images.
    """
    held = [(file, [part.lower() for part in file.relative_to(path).parts[:-1]]) for file in visible_files(path)]
    found = [(file, above) for file, above in held if is_picture(file)]
    parts = [_part(file, above) for file, above in found]
    _refuse_unknown_parts(path, found, parts)
    usages = usage_by_part(parts)
    rows = [
        (usages[part or USAGES[0]], natural(file.stem), _label(path, file, above), file)
        for (file, above), part in zip(found, parts, strict=True)
    ]
    if not rows:
        suffixes = {".csv", ".parquet", ".zip", ".gz", ".xz"}
        tables = ", ".join(file.name for file in sorted(path.iterdir()) if file.suffix in suffixes)
        hint = f"It holds {tables}: give one of them" if tables else "It holds no images"
        raise InputError(f"{path}: expected folders {', '.join(CLASSES)}, also below train/ and test/. {hint}")
    if unread := [file for file, above in held if not is_picture(file) and CLASS_NUMBERS.keys() & set(above)]:
        told = f"ignored {len(unread)} files in class folders, such as {unread[0]}; allowed are {IMAGE_KINDS}"
        warnings.warn(f"{path}: {told}", stacklevel=2)
    rows.sort(key=lambda row: (USAGES.index(row[0]), row[1], row[2]))
    usage, _, labels, files = zip(*rows, strict=True)
    return FaceSet(read_all(files, map(str, files)), np.array(labels, np.int64), np.array(usage), path.name)


def _part(file: Path, folders: list[str]) -> str | None:
    """The part of the data set that a file's name or folder names; None if neither does."""
    if exported := EXPORTED.fullmatch(file.stem):
        return exported[1]
    return next((part for folder in reversed(folders) if (part := part_of(folder))), None)


def _refuse_unknown_parts(path: Path, found: list[tuple[Path, list[str]]], parts: list[str | None]) -> None:
    """Raise `InputError` if some images lie in folders of a part and others do not."""
    unknown = [file for (file, _), part in zip(found, parts, strict=True) if part is None]
    if unknown and len(unknown) < len(parts):
        folder = unknown[0].relative_to(path).parts[0]
        raise InputError(
            f"{path}: beside folders such as train and test lies {folder!r}, whose images could be of any part. Rename "
            f"or remove it; allowed are {ALLOWED_USAGES}"
        )


def _label(path: Path, file: Path, folders: list[str]) -> int:
    labels = [CLASS_NUMBERS[folder] for folder in folders if folder in CLASS_NUMBERS]
    if not labels:
        raise InputError(f"{file}: not in a class folder below {path}; allowed are {', '.join(CLASSES)}")
    return labels[-1]
