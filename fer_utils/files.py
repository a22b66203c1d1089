"""Atomic files: each appears complete or not at all. And the version of the package's code."""

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
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors that name no file


def code_version() -> str:
    """A hash of the package's code, texts and tables, which tells the outputs of earlier code from today's."""
    files = sorted(file for file in PACKAGE.rglob("*") if file.suffix in (".py", ".toml", ".csv"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name next to `path`; move it to `path` when the block succeeds, delete it otherwise.

    A device such as /dev/null is written in place, and a link keeps pointing to the file that is replaced. On a full
    disk the `OSError` names `path`.
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
    """Delete what killed processes left of their writes in a folder.

    Call it with a lock on the folder, since it cannot tell the draft of a process that still writes.
    """
    for path in folder.iterdir():
        if DRAFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write text or bytes to `path`, completely or not at all."""
    with atomic_path(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
