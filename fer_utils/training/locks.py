"""Folder locks: one process works in a folder, the others wait."""

import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from fer_utils.errors import FerError

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # errors of file systems without locks


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. A process that waits for it prints who holds it."""
    lock, holder = FileLock(folder / ".lock"), folder / ".holder"
    try:
        _acquire(lock, 0)
    except Timeout:
        print(f"{folder} is held by {_read_holder(folder)}; waiting", file=sys.stderr, flush=True)
        _acquire(lock)
    try:
        now = datetime.now(UTC)
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M:%S} UTC")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: BaseFileLock, timeout_seconds: float = -1) -> None:
    """Acquire a lock that dies with its process, else raise `FerError`."""
    missing: Exception | None = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # filelock announces its soft lock, which is refused below
            lock.acquire(timeout_seconds)
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        missing = error
    if missing or isinstance(lock, SoftFileLock):  # a soft lock outlives a killed process
        lock.release()
        raise FerError(
            f"{Path(lock.lock_file).parent}: this file system does not support locks, so two processes could train "
            "the same run. Set --runs to a folder on another file system"
        ) from missing


def _read_holder(folder: Path) -> str:
    try:
        return (folder / ".holder").read_text() or "another process"
    except OSError:
        return "another process"


def holder_of(folder: Path) -> str | None:
    """The process that holds the lock of a folder, in words; None if it is free."""
    if not (folder / ".lock").exists():
        return None
    lock = FileLock(folder / ".lock")
    try:
        _acquire(lock, 0)
    except Timeout:
        return _read_holder(folder)
    except (FerError, OSError):  # no locks here, or no permission
        return None
    lock.release()
    return None
