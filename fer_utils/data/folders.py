"""Faces in folders: images in a folder per class, or files that together are one data set."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.arrays import read_npy
from fer_utils.data.classes import ADVICE, DASH, LEFT_OUT, Order, class_of, is_number, named_class
from fer_utils.data.faces import CLASSES, USAGES, FaceSet
from fer_utils.data.pictures import IMAGE_KINDS, is_picture, natural, read_all, visible_files
from fer_utils.data.rows import default_usage
from fer_utils.data.shards import TABLES, read_shards
from fer_utils.data.usages import ALLOWED_USAGES, TRAINING, part_in, part_in_parts, part_of, usage_by_part, words_in
from fer_utils.errors import InputError, shortened

EXPORTED = re.compile(rf"({'|'.join(USAGES)})_\d+")  # a file of images exported from fer2013.csv, such as Training_12
PACKED = (".zip", ".gz", ".xz", ".bz2")  # endings of files that may hold a data set
# Endings of others, which are not read.
UNREAD = (".tar", ".tgz", ".rar", ".7z", ".feather", ".ipc", ".pq", ".pt", ".pth", ".h5", ".hdf5", ".mat", ".pkl")
CACHED = "cache-*.arrow"  # what Hugging Face's datasets computed from the others


def read_folder(path: Path, order: Order = ()) -> FaceSet:
    """Read images in class folders; or Parquet, Arrow, CSV or .npy files that together are one data set."""
    found = visible_files(path)
    files = [file for file in found if not file.match(CACHED)]
    classed = any(_named(path, file) for file in files)
    shards = [file for file in files if _is_shard(file)]
    arrays = [file for file in files if file.suffix.lower() == ".npy"]
    tables = [file for file in files if file.suffix.lower() in TABLES and not any(map(is_picture, files))]
    if classed or not (used := shards or arrays or tables):
        return _read_images(path, files, order)
    if others := [file for file in files if file not in used and _holds_data(file)]:
        raise InputError(f"{path}: beside {used[0].name} lies {others[0].name}. Give one of them, or remove the other")
    if arrays:
        return read_npy(arrays, path, order)
    parts = [part_in_parts([*_folders(path, file), file.stem]) for file in used]
    _refuse_unknown_parts(path, used, parts)
    usage_of = usage_by_part(parts)
    usages = [usage_of[part] if part else "" for part in parts]
    faces = read_shards(path, used, order, usages)
    told = [f"{path}: ignored {CACHED}"] if len(files) < len(found) else []
    if pictures := [file for file in files if file not in used and is_picture(file)]:
        told.append(f"{path}: ignored {len(pictures)} images such as {pictures[0]}")
    return faces.noted(*told, *_unknown_parts(path, [file.stem for file in used], parts))


def _is_shard(file: Path) -> bool:
    return ".parquet" in file.name.lower() or file.suffix.lower() == ".arrow"


def _holds_data(file: Path) -> bool:
    return _is_shard(file) or file.name.lower().endswith((".npy", ".npz", *TABLES, *PACKED, *UNREAD))


def _unknown_parts(path: Path, names: Sequence[str], parts: Sequence[str | None]) -> list[str]:
    """A note of several folders or files whose names could be of parts, and of which none is known as such."""
    words = {letters: name for name in names if (letters := re.sub(r"[\W\d_]", "", name.lower()))}
    if any(parts) or len(words) < 2:
        return []
    return [f"{path}: {shortened(', '.join(words.values()))} are not known as parts; allowed are {ALLOWED_USAGES}"]


def _folders(path: Path, file: Path) -> list[str]:
    """The names of the folders below `path` that a file lies in."""
    return list(file.relative_to(path).parts[:-1])


def _named(path: Path, file: Path) -> list[str]:
    """The folders that are named after classes."""
    return [folder for folder in _folders(path, file) if named_class(_class_word(folder)) is not None]


def _class_word(folder: str) -> str:
    """What a folder's name says beside the part of its images: `happy` of `train_happy`."""
    rest = "_".join(word for word in words_in(folder) if part_of(word) is None)
    return folder if named_class(rest) is None else rest


def _read_images(path: Path, files: Sequence[Path], order: Order) -> FaceSet:
    """Read class folders of images, also below folders such as `train/`, `test/` or `val/`.

    A name such as PrivateTest_123.png overrides the folder. Files are sorted by the numbers in their names, which
    restores the row order of images exported from fer2013.csv. Raises `InputError` for a folder beside such ones whose
    name says nothing about the usage of its images.
    """
    found = [file for file in files if is_picture(file)]
    if not found:
        raise InputError(f"{path}: expected folders {', '.join(CLASSES)}, also below train/ and test/. {_held(path)}")
    parts, told = _parts(path, found)
    _refuse_unknown_parts(path, found, parts)
    labels = _labels(path, found, order or ())
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
    above = [folder for file in found for folder in _folders(path, file)[:-1] if named_class(folder) is None]
    told += _unknown_parts(path, above, parts)
    return faces.noted(*told, *_skipped(path, files, len(ordered) - len(kept)))


def _held(path: Path) -> str:
    tables = ", ".join(
        file.name for file in sorted(path.iterdir()) if file.name.lower().endswith((".npz", *TABLES, *PACKED))
    )
    return f"It holds {tables}: give one of them" if tables else "It holds no images"


def _parts(path: Path, files: Sequence[Path]) -> tuple[list[str | None], list[str]]:
    """The part of each image, and what is doubtful about them.

    Folders tell it, or names such as Training_12. If none of them does, other names may, such as test_12.
    """
    exported = [found[1] if (found := EXPORTED.fullmatch(file.stem)) else None for file in files]
    folders = [part_in_parts(_folders(path, file)) for file in files]
    several = [file for file in files if len({part_in(name) for name in _folders(path, file)} - {None}) > 1]
    differ = [
        file for file, name, folder in zip(files, exported, folders, strict=True)
        if name and folder and (name == TRAINING) != (folder == TRAINING)
    ]  # fmt: skip
    told = []
    if differ:
        told.append(f"{path}: {len(differ)} images such as {differ[0]} are taken as their names say, not the folders")
    if several:
        told.append(f"{path}: {len(several)} images such as {several[0]} are taken as the innermost folder says")
    parts = [name or folder for name, folder in zip(exported, folders, strict=True)]
    return (parts if any(parts) else [part_in(file.stem) for file in files]), told


def _refuse_unknown_parts(path: Path, files: Sequence[Path], parts: Sequence[str | None]) -> None:
    """Raise `InputError` if the names of some files or folders tell the part and others do not."""
    unknown = [file for file, part in zip(files, parts, strict=True) if part is None]
    if unknown and len(unknown) < len(parts):
        name = unknown[0].relative_to(path).parts[0]
        raise InputError(
            f"{path}: beside those of train and test lies {name!r}, whose faces could be of any part. Rename or remove "
            f"it; allowed are {ALLOWED_USAGES}"
        )


def _labels(path: Path, files: Sequence[Path], order: tuple[str, ...]) -> np.ndarray:
    """The class of each image, by its class folder."""
    return np.array([_label(file, name, order) for file, name in zip(files, _class_folders(path, files), strict=True)])


def _class_folders(path: Path, files: Sequence[Path]) -> list[str]:
    """The class folder of each image: the innermost that is named after a class; for others, that of the same depth.

    Raises `InputError` if that does not tell which of several folders it is.
    """
    above = [[word for word in map(_class_word, _folders(path, file)) if part_in(word) is None] for file in files]
    places = [[i for i, folder in enumerate(folders) if named_class(folder) is not None] for folders in above]
    depths = {found[-1] for found in places if found}
    names = []
    for file, folders, found in zip(files, above, places, strict=True):
        if not folders:
            raise InputError(f"{file}: in no class folder below {path}; allowed are {', '.join(CLASSES)}")
        depth = found[-1] if found else next(iter(depths)) if len(depths) == 1 else 0
        if depth >= len(folders) or (not found and not depths and len(folders) > 1):
            raise InputError(f"{file}: which of {', '.join(folders)} is the class? Give folders of classes only")
        names.append(folders[depth])
    return names


def _label(file: Path, folder: str, order: tuple[str, ...]) -> int:
    """The class that a folder names."""
    if is_number(folder) and not order:
        raise InputError(f"{file}: nothing tells the class of folder {folder}; {ADVICE}")
    number = class_of(folder, order)
    if number is None and is_number(folder):
        raise InputError(
            f"{file}: in folder {folder!r}, but --classes names the numbers 0 to {len(order) - 1}. If the folders "
            f"count from 1, put {DASH} first"
        )
    if number is None:
        allowed = ", ".join(name for name in order if name != DASH) or ", ".join(CLASSES)
        advice = f"Rename it, or leave it out: --classes {','.join(CLASSES)},-"
        raise InputError(f"{file}: in folder {folder!r}, which is no class; allowed are {allowed}. {advice}")
    return number


def _reading(path: Path, rows: pd.DataFrame) -> tuple[str, ...]:
    """How the folders were understood: one line for the usage of each, one for the classes."""
    names = (
        pd.DataFrame({"name": _class_folders(path, rows.file), "label": rows.label})
        .drop_duplicates()
        .sort_values("name")
    )
    told = {LEFT_OUT: "left out"} | dict(enumerate(CLASSES))
    parts = rows.groupby([rows.part.fillna(path.name), "usage"]).size()
    classes = ", ".join(f"{name} → {told[label]}" for name, label in names.itertuples(index=False))
    return (*(f"{part}: {usage}" for part, usage in parts.index if part != usage), f"folders {classes}")


def _skipped(path: Path, files: Sequence[Path], left_out: int) -> list[str]:
    """What was not read: files that are no images, and classes left out."""
    told = []
    unread = [file for file in files if not is_picture(file) and (_named(path, file) or _holds_data(file))]
    if unread:
        told.append(f"{path}: ignored {len(unread)} files such as {unread[0]}; allowed are {IMAGE_KINDS}")
    if left_out:
        told.append(f"{path}: left out {left_out:,} images of classes that --classes leaves out")
    return told
