"""CSV files, plain, compressed or archived, told apart by content, not by name."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO

from fer_utils.errors import InputError

# What the readers raise for a damaged or encrypted file.
DAMAGED = (OSError, EOFError, RuntimeError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)

WORKBOOK = "xl/"  # the folder of the sheets in an .xlsx


def open_csv(path: Path) -> AbstractContextManager[IO[bytes]]:
    """Open a CSV file, or the CSV in a .zip, .tar, .tar.gz, .gz, .xz or .bz2, as bytes.

    Raises `InputError` if an archive does not hold exactly one CSV file. Opening and reading may raise `DAMAGED`.
    """
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"PK\x03\x04"):
        return _open_zip(path)
    with suppress(*DAMAGED):
        if tarfile.is_tarfile(path):
            return _open_tar(path)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.open(path)
    if start.startswith(b"BZh"):
        return bz2.open(path)
    return path.open("rb")


def member_name(path: Path) -> PurePosixPath:
    """The path of the first CSV file in an archive, without its ending; empty for other files."""
    name = ""
    with suppress(*DAMAGED):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = next(filter(_is_csv, archive.namelist()), "")
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                name = next((member.name for member in tar if _is_csv(member.name)), "")
    return PurePosixPath(name.removesuffix(".csv"))


def _is_csv(name: str) -> bool:
    """Whether an archive member is a CSV; macOS adds a hidden `._fer2013.csv`."""
    return name.lower().endswith(".csv") and not PurePosixPath(name).name.startswith(".")


def _not_one(path: Path, names: Iterable[str]) -> InputError:
    held = " and ".join(names) or "no CSV file"
    return InputError(f"{path}: holds {held}; allowed is exactly one CSV file. Unpack it and give the file or folder")


@contextmanager
def _open_zip(path: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive:
        if any(name.startswith(WORKBOOK) for name in archive.namelist()):
            raise InputError(f"{path}: an Excel workbook. Save the sheet as CSV (UTF-8) and give that file")
        members = list(filter(_is_csv, archive.namelist()))
        if len(members) != 1:
            raise _not_one(path, members)
        with archive.open(members[0]) as member:
            yield member


@contextmanager
def _open_tar(path: Path) -> Iterator[IO[bytes]]:
    with tarfile.open(path) as archive:
        members = (member for member in archive if _is_csv(member.name))
        if (first := next(members, None)) is None or (file := archive.extractfile(first)) is None:
            raise _not_one(path, [])
        with file:
            yield file
            # Look for a second CSV only once the first is read: to look ahead would unpack the archive twice.
            if not file.read(1) and (other := next(members, None)):
                raise _not_one(path, (first.name, other.name))
