"""A csv, also where it is compressed or lies in an archive. The content decides, never the file's name."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from fer_utils.errors import InputError

# What their readers raise at a damaged or locked file.
DAMAGED = (OSError, EOFError, RuntimeError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


def open_csv(path: Path) -> AbstractContextManager[IO[bytes]]:
    """The bytes of a csv file, or of the csv in a .zip, .tar (also compressed), .gz or .xz.

    Raises `InputError` for an archive without a csv, and what `DAMAGED` has, here or where it is read.
    """
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK\x03\x04"):
        return _open_zip(path)
    if _is_tar(path):
        return _open_tar(path)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    return path.open("rb")


def _is_csv(name: str) -> bool:
    """Whether a member of an archive is a csv by its name; macOS lays a hidden `._fer2013.csv` before the real one."""
    return name.lower().endswith(".csv") and not PurePosixPath(name).name.startswith(".")


@contextmanager
def _open_zip(path: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = list(filter(_is_csv, archive.namelist()))
        if len(members) != 1:
            raise InputError(f"{path}: a zip holds exactly one csv file, this one holds {members or 'none'}. Unpack it")
        with archive.open(members[0]) as member:
            yield member


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except DAMAGED:
        return False


@contextmanager
def _open_tar(path: Path) -> Iterator[IO[bytes]]:
    with tarfile.open(path) as archive:
        members = (member for member in archive if _is_csv(member.name))
        if (first := next(members, None)) is None or (file := archive.extractfile(first)) is None:
            raise InputError(f"{path}: there is no csv file in this archive. Unpack it")
        with file:
            yield file
            # What comes after it is seen where it was read to its end: to look ahead would unpack all of it twice.
            if not file.read(1) and (other := next(members, None)):
                raise InputError(
                    f"{path}: holds {first.name} and {other.name}; allowed is exactly one csv file. Unpack it"
                )
