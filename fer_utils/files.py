"""Atomic writes of files, and the version of the package's code."""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).parent
DRAFT = re.compile(r"\.(.+)\.[0-9a-f]{8}(\.\w+)?")  # the names that `atomic_path` writes to
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # full disk or quota, file too large: errors without a file name


def code_version() -> str:
    """A hash of the package's code, texts and tables, to detect other versions."""
    files = sorted(file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".toml", ".csv", ".md", ".json"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path; move it to `path` if the block succeeds.

    Otherwise it is deleted. A device such as /dev/null is written in place. A link is kept; the file that it points to
    is replaced. On a full disk, the `OSError` names `path`.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the mode that the umask allows
    try:
        yield draft
        with draft.open("r+b") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    finally:
        draft.unlink(missing_ok=True)


def delete_drafts(folder: Path) -> None:
    """Delete the unfinished files of killed processes in a folder.

    Lock the folder first: the drafts of running processes look the same.
    """
    for path in folder.iterdir():
        if DRAFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write text or bytes to `path`, completely or not at all."""
    with atomic_path(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
