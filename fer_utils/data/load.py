"""Load a data set by its path, from a cache while the file is unchanged."""

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
from fer_utils.data.faces import COLUMNS, FaceSet, mark_duplicates
from fer_utils.data.folders import read_folder
from fer_utils.data.pictures import visible_files
from fer_utils.data.tables import read_csv, read_parquet
from fer_utils.data.votes import match_votes, read_votes, require_votes
from fer_utils.errors import InputError
from fer_utils.files import atomic_path

READER_VERSION = 5  # increase it when a reader's result changes


def load(path: str | Path, ferplus: str = "") -> FaceSet:
    """Load a file or folder that `read` knows, or draw the faces of "demo".

    Marks duplicates. Faces of FER2013 get FER+ votes, bundled or from `ferplus`, the path of a `fer2013new.csv` that
    matches the faces. The result is cached in the user's cache folder (or `FER_CACHE`). Raises `InputError`.
    """
    faces = mark_duplicates(demo_faces()) if str(path) == "demo" else _load(Path(path).expanduser())
    if not ferplus:
        return faces
    votes = match_votes(faces, read_votes(ferplus))
    require_votes(faces, votes, ferplus)
    return replace(faces, votes=votes)


def _load(path: Path) -> FaceSet:
    if not path.exists():
        raise InputError(f"no file or folder {path}: give a CSV, Parquet file or image folder, or 'demo'")
    if path.name in ("", ".."):  # relative to the working directory; the data set needs a name
        path = path.resolve()
    cache, mark = _cache_file(path), _mark(path)
    if (faces := _read_cache(cache, mark, path.name)) is None:
        try:
            faces = read(path)
        except (*DAMAGED, ValueError, KeyError, pa.ArrowException) as error:
            raise InputError(f"{path}: cannot be read ({error}). Check that it is complete, and FER2013") from error
        faces = mark_duplicates(faces)
        votes = match_votes(faces)
        faces = replace(faces, votes=votes) if votes.any() else faces
        _write_cache(cache, mark, faces)
    return faces


def read(path: Path) -> FaceSet:
    """Read a CSV (also compressed), a Parquet file or a folder of class folders.

    Rows without a usage are Training, or PublicTest if they have no label either. Raises `InputError` with the file,
    the row, what was found and what is allowed.
    """
    if path.is_dir():
        return read_folder(path)
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    return read_parquet(path) if parquet else read_csv(path)


def _cache_file(path: Path) -> Path:
    folder = os.environ.get("FER_CACHE") or platformdirs.user_cache_path("fer_utils")
    return Path(folder) / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}.npz"


def _mark(path: Path) -> str:
    """Hash of what must be unchanged for the cache to be valid."""
    mark = hashlib.sha256(f"reader {READER_VERSION}".encode())
    files = visible_files(path) if path.is_dir() else [path]
    for file in filter(Path.exists, files):  # skips broken links
        stat = file.stat()
        mark.update(f"{file.relative_to(path)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}".encode())
    return mark.hexdigest()


def _read_cache(cache: Path, mark: str, name: str) -> FaceSet | None:
    try:
        with np.load(cache) as stored:  # zip checks the CRC of every array
            if stored["mark"].item() != mark:
                return None
            return FaceSet(name=name, **{column: stored[column] for column in COLUMNS if column in stored})
    except (*DAMAGED, ValueError, KeyError):
        return None


def _write_cache(cache: Path, mark: str, faces: FaceSet) -> None:
    try:
        with atomic_path(cache) as draft:
            columns = {name: column for name in COLUMNS if (column := getattr(faces, name)) is not None}
            np.savez(draft, mark=mark, **columns)
    except OSError as error:
        warnings.warn(f"no cache for {faces.name} ({error}): the next run reads it again", stacklevel=3)
