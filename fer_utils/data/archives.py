"""A csv, also where it is compressed or lies in an archive. The content decides, never the file's name."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
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


@contextmanager
def _open_zip(path: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.namelist() if m.lower().endswith(".csv") and not m.startswith("__MACOSX")]
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
    with tarfile.open(path) as archive:  # the first csv: to see whether there is another would take a second reading
        found = (archive.extractfile(member) for member in archive if member.name.lower().endswith(".csv"))
        if (file := next(found, None)) is None:
            raise InputError(f"{path}: there is no csv file in this archive. Unpack it")
        with file:
            yield file
