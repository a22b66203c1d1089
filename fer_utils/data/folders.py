"""Faces in folders of images, one folder per class."""

import warnings
from pathlib import Path

import numpy as np

from fer_utils.data.faces import CLASSES, USAGES, FaceSet
from fer_utils.data.pictures import IMAGE_KINDS, is_picture, natural, read_all, visible_files
from fer_utils.errors import InputError

VALIDATION_FOLDERS = {"validation", "val", "valid"}
FOLDER_USAGES = {u.lower(): u for u in USAGES} | {"train": "Training", "test": "PublicTest"}
FOLDER_USAGES |= dict.fromkeys(VALIDATION_FOLDERS, "PublicTest")
CLASS_NUMBERS = {name: i for i, name in enumerate(CLASSES)} | {
    "anger": 0, "disgusted": 1, "fearful": 2, "happiness": 3, "sadness": 4, "surprised": 5,
}  # fmt: skip


def read_folder(path: Path) -> FaceSet:
    """Read class folders of images, also below `train/`, `test/` or `val/`.

    A usage at the start of a file name ("PrivateTest_123.png") overrides the folder. Files are sorted by the numbers in
    their names, which restores the row order of images exported from fer2013.csv.
    """
    held = [(file, [part.lower() for part in file.relative_to(path).parts[:-1]]) for file in visible_files(path)]
    found = [(file, above) for file, above in held if is_picture(file)]
    usages = FOLDER_USAGES
    if any(VALIDATION_FOLDERS & set(above) for _, above in found):  # `val` is PublicTest
        usages = usages | {"test": "PrivateTest"}
    rows = [(_usage(file, above, usages), natural(file.stem), _label(path, file, above), file) for file, above in found]
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


def _usage(file: Path, folders: list[str], usages: dict[str, str]) -> str:
    named = [usage for usage in USAGES if file.name.startswith(usage)]
    above = [usages[folder] for folder in folders if folder in usages]
    return (named + above + ["Training"])[0]


def _label(path: Path, file: Path, folders: list[str]) -> int:
    labels = [CLASS_NUMBERS[folder] for folder in folders if folder in CLASS_NUMBERS]
    if not labels:
        raise InputError(f"{file}: not in a class folder below {path}; allowed are {', '.join(CLASSES)}")
    return labels[-1]
