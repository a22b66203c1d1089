"""Slurm job arrays. A job that is preempted or times out is requeued and resumes."""

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_utils.errors import FerError, InputError

DEFAULT_TIME = "4:00:00"
RESUBMISSIONS = 100  # then gives up on a job whose time limit is too short for one epoch
TAIL_LINES = 20
# The environment of training processes. The MALLOC settings keep glibc from returning large blocks to the system, only
# to request them again in the next step; see figures/EXPERIMENTS.md.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
    "PYTHONUTF8": "1",
    "PYTHONUNBUFFERED": "1",
}
SET_HERE = {"array", "error", "open_mode", "output", "parsable", "signal", "test_only", "wait", "wrap"}


def submit(
    commands: Sequence[Sequence[str]],
    folder: Path,
    options: Mapping[str, str],
    after: Sequence[str] = (),
    executor: str = "slurm",
) -> list[str]:
    """Submit commands as jobs; return the job ids in the order of the commands.

    folder: for logs (`<id>_0_log.out`) and submitit's files; must be visible to the nodes.
    options: long sbatch options, "" for those without a value; and `python`, the interpreter on the nodes.
    after: ids of jobs that must end first, successfully or not.
    executor: `slurm`, or `local` for processes on this machine.

    Raises `InputError` for an option or folder that is not allowed, `FerError` if the submission fails.
    """
    given = {name.replace("-", "_"): value for name, value in options.items()}
    minutes, python = _minutes(given.pop("time", DEFAULT_TIME)), given.pop("python", sys.executable)
    if taken := SET_HERE & given.keys():
        raise InputError(f"sbatch option {min(taken)!r} is set by fer: leave it out")
    if found := re.search(r"[%\\\n\r]", str(folder.absolute())):
        raise InputError(f"job folder {str(folder)!r}: Slurm rejects {found[0]!r} in paths; choose another folder")
    commands = [[python if word == sys.executable else word for word in command] for command in commands]
    ids: list[str] = []
    try:
        size = _max_array_size() if executor == "slurm" else 1
        queue = _queue(folder, minutes, python, given, after, executor)
        for start in range(0, len(commands), size):
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints sbatch's message and also raises it
                jobs = queue.map_array(_Job(), commands[start : start + size])
            ids += [job.job_id for job in jobs]
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        others = f"\n{len(ids)} of {len(commands)} jobs were submitted before: {_arrays(ids)}" if ids else ""
        raise FerError(f"submission failed: {getattr(error, 'stderr', None) or error}{others}") from error
    limit = f"{minutes // 60} h {minutes % 60} min"
    print(f"{len(ids)} jobs submitted: {_arrays(ids)}. A job that reaches {limit} is requeued and resumes")
    return ids


class _Job:
    """A job that runs a command; submitit pickles it and calls it on a node."""

    process: subprocess.Popen[bytes] | None = None

    def __call__(self, command: Sequence[str]) -> None:
        tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        with self._start(command) as process:
            try:
                for line in process.stdout or ():
                    os.write(1, line)  # print is not reentrant, and a signal handler may print
                    tail.append(line)
            except BaseException:
                self._kill()
                raise
        if process.returncode:
            text = b"".join(tail).decode(errors="replace")  # a negative status is the signal that ended it
            raise FerError(f"{shlex.join(command)} ended with status {process.returncode}. Its last lines:\n{text}")

    def checkpoint(self, command: Sequence[str]) -> Any:
        """Kill the process; return the job to requeue. Called in a signal handler."""
        from submitit.helpers import DelayedSubmission

        self._kill()
        return DelayedSubmission(_Job(), command)

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        # Slurm signals every process of a job, but only submitit's handlers should react: Slurm does not requeue a
        # job that ends in its grace time.
        signals = {signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
        pipe: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # inherited by the process
        self.process = subprocess.Popen(command, env=ENVIRONMENT | os.environ, **pipe)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        return self.process

    def _kill(self) -> None:
        """Kill the process, before another one trains the same run."""
        if self.process:
            self.process.kill()
            with contextlib.suppress(ChildProcessError):  # Popen.wait could deadlock in a signal handler
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)


def _queue(folder: Path, minutes: int, python: str, given: dict[str, str], after: Sequence[str], executor: str) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise FerError("Slurm jobs need submitit: pip install 'fer_utils[slurm]'") from error
    kind = submitit.SlurmExecutor if executor == "slurm" else submitit.LocalExecutor
    queue = kind(folder, max_num_timeout=RESUBMISSIONS, python=shlex.quote(python))
    if after:
        given["dependency"] = ",".join([f"afterany:{_arrays(after, ':')}", *filter(None, [given.get("dependency")])])
    sbatch = {name: True if value == "" else value for name, value in given.items()}
    queue.update_parameters(
        **{"time" if executor == "slurm" else "timeout_min": minutes},
        signal_delay_s=min(90, 15 * minutes),  # Slurm may add a minute; an epoch must fit into the rest
        array_parallelism=sys.maxsize,  # leave it to Slurm; submitit's default is 256
        stderr_to_stdout=True,
        wckey=None,  # clusters that enforce wckeys reject submitit's default
        additional_parameters={"job_name": "fer", "requeue": True, **sbatch},
    )
    return queue


def _max_array_size() -> int:
    """Slurm's limit, which applies to the highest index: every array must start at 0."""
    config = subprocess.run(["scontrol", "show", "config"], check=True, capture_output=True, text=True).stdout
    return max(int(re.findall(r"MaxArraySize\s*=\s*(\d+)", config)[0]), 1)


def _minutes(time: object) -> int:
    """Minutes, rounded up. "2:00" is refused: for Slurm that is two minutes."""
    found = re.fullmatch(r"(\d+)|(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", str(time))
    minutes, days, hours, more, seconds = (int(part or 0) for part in found.groups()) if found else [0] * 5
    minutes += (days * 24 + hours) * 60 + more + (seconds > 0)
    if not isinstance(time, str | int) or not minutes:
        raise InputError(f'time {str(time)!r}: allowed are minutes such as 90, "hh:mm:ss" and "d-hh:mm:ss"')
    return minutes


def _arrays(ids: Sequence[str], separator: str = ", ") -> str:
    return separator.join(dict.fromkeys(job.split("_")[0] for job in ids))
