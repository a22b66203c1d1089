"""Load a data set by its path, from a cache where the file has not changed."""

import hashlib
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pyarrow as pa

from fer_utils.data.archives import DAMAGED
from fer_utils.data.demo import demo_faces
from fer_utils.data.faces import FaceSet, mark_duplicates
from fer_utils.data.formats import read
from fer_utils.data.pictures import visible_files
from fer_utils.data.votes import match_votes, read_votes, require_votes
from fer_utils.errors import InputError
from fer_utils.files import atomic_path

READER_VERSION = 4  # raise it when a reader changes what it returns
COLUMNS = ("images", "labels", "usage", "ids", "votes", "duplicate")


def load(path: str | Path, ferplus: str = "") -> FaceSet:
    """Load faces from `path`, in any layout that `formats.read` knows, or draw them for "demo".

    Duplicates are marked, and faces of FER2013 get FER+'s votes: those bundled, or those of `ferplus`, the path of
    another `fer2013new.csv`, which must match the faces.

    The result is cached in the user's cache folder (or in `FER_CACHE`) until the file changes.
    """
    faces = mark_duplicates(demo_faces()) if str(path) == "demo" else _load(Path(path).expanduser())
    if not ferplus:
        return faces
    votes = match_votes(faces, read_votes(ferplus))
    require_votes(faces, votes, ferplus)
    return replace(faces, votes=votes)


def _load(path: Path) -> FaceSet:
    if not path.exists():
        raise InputError(f"no file or folder {path}: give a csv, parquet or folder of FER2013, or 'demo'")
    if path.name in ("", ".."):  # the folder one is in, which has a name as well
        path = path.resolve()
    cache, mark = _cache_file(path), _mark(path)
    faces = _read_cache(cache, mark, path.name)
    if faces is None:
        faces = mark_duplicates(_read(path))
        votes = match_votes(faces)
        faces = replace(faces, votes=votes) if votes.any() else faces
        _write_cache(cache, mark, faces)
    return faces


def _read(path: Path) -> FaceSet:
    try:
        return read(path)
    except (*DAMAGED, ValueError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read to its end ({error}); is it complete, and FER2013?") from error


def _cache_file(path: Path) -> Path:
    folder = os.environ.get("FER_CACHE") or platformdirs.user_cache_path("fer_utils")
    return Path(folder) / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.npz"


def _mark(path: Path) -> str:
    """What must be unchanged for a cache to be trusted, as a hash."""
    mark = hashlib.sha256(f"reader {READER_VERSION}".encode())
    files = visible_files(path) if path.is_dir() else [path]
    for file in filter(Path.exists, files):  # a link may lead nowhere
        stat = file.stat()
        mark.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}".encode())
    return mark.hexdigest()


def _read_cache(cache: Path, mark: str, name: str) -> FaceSet | None:
    try:
        with np.load(cache) as stored:  # the zip format checks a CRC of every array
            if stored["mark"].item() != mark:
                return None
            return FaceSet(name=name, **{column: stored[column] for column in COLUMNS if column in stored})
    except (*DAMAGED, ValueError, KeyError):
        return None


def _write_cache(cache: Path, mark: str, faces: FaceSet) -> None:
    try:
        with atomic_path(cache) as draft:
            columns = {column: getattr(faces, column) for column in COLUMNS}
            np.savez(draft, mark=mark, **{name: values for name, values in columns.items() if values is not None})
    except OSError as error:
        warnings.warn(f"no cache for {faces.name}: {error}. It will be read again next time", stacklevel=3)
