"""Load a data set by its path, from a cache while the file is unchanged."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pyarrow as pa

from fer_utils.data import demo
from fer_utils.data.archives import DAMAGED
from fer_utils.data.arrays import is_npz, read_npy, read_npz
from fer_utils.data.arrow_files import ARROW_FILE, ARROW_STREAM, PARQUET, read_arrow
from fer_utils.data.classes import ADVICE, Order, parse_order
from fer_utils.data.csv_files import read_csv
from fer_utils.data.faces import COLUMNS, UNLABELLED, FaceSet, mark_duplicates
from fer_utils.data.folders import read_folder
from fer_utils.data.pictures import visible_files
from fer_utils.data.votes import LEAST_AGREEMENT, majority, match_votes, read_votes, require_votes
from fer_utils.errors import InputError
from fer_utils.files import atomic_path

READER_VERSION = 9  # increase it when a reader's result changes
UNREADABLE = (*DAMAGED, ValueError, KeyError, pa.ArrowException, MemoryError)
CHECKED_FACES = 100  # faces with votes from which on labels that contradict them are told


def load(path: str | Path, ferplus: str = "", classes: str | None = "") -> FaceSet:
    """Load a file or folder that `read` knows, or draw the faces of "demo".

    Marks duplicates. Faces of FER2013 get FER+ votes, bundled or from `ferplus`, the path of a `fer2013new.csv` that
    matches the faces. `classes` tells the order of the classes (`classes.parse_order`); with None, labels are not read.
    The result is cached in the user's cache folder (or `FER_CACHE`). Warns of what was not read. Raises `InputError`.
    """
    order = None if classes is None else parse_order(classes)
    faces = _load_demo() if str(path) == "demo" else _load(Path(path).expanduser(), order)
    for skipped in faces.skipped:
        warnings.warn(skipped, stacklevel=2)
    if not ferplus:
        return faces
    votes = match_votes(faces, read_votes(ferplus))
    require_votes(faces, votes, ferplus)
    return replace(faces, votes=votes)


def _load_demo() -> FaceSet:
    source = Path(demo.__file__)  # other code draws other faces
    return _cached(source, (), _mark(source), demo.NAME, lambda: mark_duplicates(demo.demo_faces()))


def _load(path: Path, order: Order) -> FaceSet:
    if not _exists(path):
        raise InputError(
            f"no file or folder {path}: give a CSV, Parquet, Arrow or NumPy file, an image folder, or 'demo'"
        )
    if path.name in ("", ".."):  # relative to the working directory; the data set needs a name
        path = path.resolve()
    return _cached(path, order, _mark(path), path.name, lambda: _read_whole(path, order))


def _cached(path: Path, order: Order, mark: str, name: str, make: Callable[[], FaceSet]) -> FaceSet:
    """The faces in the cache if they have this mark; else those that `make` returns."""
    cache = _cache_file(path, order)
    if (faces := _read_cache(cache, mark, name)) is None:
        faces = make()
        _write_cache(cache, mark, faces)
    return faces


def _read_whole(path: Path, order: Order) -> FaceSet:
    """Read a data set, mark its duplicates and add FER2013's votes."""
    try:
        faces = read(path, order)
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read ({error}). Check that it is complete, and FER2013") from error
    faces = mark_duplicates(faces)
    votes = match_votes(faces)
    return _checked(replace(faces, votes=votes), majority(votes)) if votes.any() else faces


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False


def read(path: Path, order: Order = ()) -> FaceSet:
    """Read a CSV (also compressed), Parquet, Arrow or NumPy file, or a folder of class folders or of such files.

    `order` names the classes of labels that are numbers. Rows without a usage have that which the name of the file
    tells; else they are Training, or PublicTest if they have no label either. Raises `InputError` with the file, the
    row, what was found and what is allowed.
    """
    if path.is_dir():
        return read_folder(path, order)
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
        return read_arrow(path, order)
    if start == b"\x93NUMPY":
        return read_npy([path], path, order)
    return read_npz(path, order) if is_npz(path) else read_csv(path, order)


def _checked(faces: FaceSet, seen: np.ndarray) -> FaceSet:
    """Note labels that mostly contradict what voters have `seen`: their order of classes is another."""
    known = (faces.labels != UNLABELLED) & (seen != UNLABELLED)
    agreement = np.mean((seen == faces.labels)[known]) if known.any() else 1.0
    if known.sum() < CHECKED_FACES or agreement >= LEAST_AGREEMENT:
        return faces
    found = f"the labels agree with FER+'s voters on {agreement:.0%} of {known.sum():,} faces"
    return faces.noted(f"{faces.name}: {found}; FER2013's own agree on most. Check the classes, and {ADVICE}")


def _cache_file(path: Path, order: Order = ()) -> Path:
    folder = os.environ.get("FER_CACHE") or platformdirs.user_cache_path("fer_utils")
    named = os.fsencode(path.absolute()) + repr(order or order is None).encode()
    return Path(folder) / f"{hashlib.sha256(named).hexdigest()[:16]}.npz"


def _mark(path: Path) -> str:
    """Hash of what must be unchanged for the cache to be valid."""
    mark = hashlib.sha256(f"reader {READER_VERSION}".encode())
    files = visible_files(path) if path.is_dir() else [path]
    for file in filter(Path.exists, files):  # skips broken links
        stat = file.stat()
        mark.update(os.fsencode(file.relative_to(path)))
        mark.update(f" {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}".encode())
    return mark.hexdigest()


def _read_cache(cache: Path, mark: str, name: str) -> FaceSet | None:
    try:
        with np.load(cache) as stored:  # zip checks the CRC of every array
            if stored["mark"].item() != mark:
                return None
            faces = FaceSet(name=name, **{column: stored[column] for column in COLUMNS if column in stored})
            reading, skipped = (tuple(map(str, stored[name])) for name in ("reading", "skipped"))
            return replace(faces, reading=reading, skipped=skipped)
    except (*DAMAGED, ValueError, KeyError):
        return None


def _write_cache(cache: Path, mark: str, faces: FaceSet) -> None:
    try:
        with atomic_path(cache) as draft:
            columns = {name: column for name in COLUMNS if (column := getattr(faces, name)) is not None}
            columns |= {"reading": np.array(faces.reading, str), "skipped": np.array(faces.skipped, str)}
            np.savez(draft, mark=mark, **columns)
    except OSError as error:
        warnings.warn(f"no cache for {faces.name} ({error}): the next run reads it again", stacklevel=3)
