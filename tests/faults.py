"""Faults in atomic writes, for tests: a full disk, or a halt in which processes can be killed.

Imports little, so that a process has its fault before it imports anything else. Linux only.
"""

import errno
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fer_utils.files import DRAFT

VARIABLE = "FER_FAULT"  # of the environment, by which the processes of a study know their fault
_fsync = os.fsync


def drafts(folder: Path) -> list[Path]:
    """The unfinished files below a folder, sorted."""
    return sorted(path for path in folder.rglob(".*") if DRAFT.fullmatch(path.name))


def target_of(draft: Path) -> Path:
    """The file that a draft becomes."""
    match = DRAFT.fullmatch(draft.name)
    return draft.with_name(match[1]) if match else draft


@dataclass(frozen=True)
class Fault:
    """What happens at the `number`-th atomic write whose path contains `pattern`, counted over all processes from 1.

    `full` raises ENOSPC with half of the file written. `halt` waits before the file gets its name, until `release`.
    `folder` holds the list of the writes so far.
    """

    kind: str
    folder: str
    number: int = 1
    pattern: str = ""

    @property
    def writes(self) -> list[str]:
        """The matching writes so far."""
        file = Path(self.folder, "writes.txt")
        return file.read_text().splitlines() if file.exists() else []

    @property
    def hit(self) -> str | None:
        """The file whose write met the fault; None before that."""
        writes = self.writes
        return writes[self.number - 1] if len(writes) >= self.number else None

    def environment(self) -> dict[str, str]:
        """The environment of processes that are to have this fault."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        return {VARIABLE: json.dumps(asdict(self))}

    def release(self) -> None:
        """Let a halted process go on."""
        Path(self.folder, "released").touch()

    def install(self) -> None:
        """Replace `os.fsync`, which `files.atomic_path` calls for each file when it is written."""
        os.fsync = self.fsync  # type: ignore[assignment]

    def fsync(self, descriptor: int) -> None:
        """Take the place of `os.fsync`."""
        path = target_of(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        if self.pattern in str(path) and self._count(path) == self.number:
            if self.kind == "full":
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            while not Path(self.folder, "released").exists():
                time.sleep(0.002)
        _fsync(descriptor)

    def _count(self, path: Path) -> int:
        with Path(self.folder, "writes.txt").open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = len(file.readlines()) + 1
            file.write(f"{path}\n")
        return number


def install_from_environment() -> None:
    """Give this process the fault that its environment names, if it names one."""
    os.fsync = _fsync
    if VARIABLE in os.environ:
        Fault(**json.loads(os.environ[VARIABLE])).install()
