"""Launchers: where the runs of a study that are still to be trained get their processes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from fer_utils.data.faces import FaceSet
from fer_utils.data.load import load
from fer_utils.errors import FerError, Interrupted, check_name
from fer_utils.files import atomic_write
from fer_utils.training.devices import cores, pick_device
from fer_utils.training.locks import holder_of
from fer_utils.training.plan import FAILED, Planned, history_of, plan, publish_record, table_of, unfinished
from fer_utils.training.runs import train_run
from fer_utils.training.slurm import ENVIRONMENT
from fer_utils.training.study import Study, write_study

ATTEMPTS = 3  # a process that was killed starts again, from its last epoch
POLL_SECONDS = 0.2
LOG = "train.log"  # in a run folder
TAIL_LINES = 5


@dataclass(frozen=True)
class Job:
    """What every process of a study needs besides its run: the study's file, the data, and the device."""

    data: str
    runs_dir: Path
    study: Path = Path()  # the study's file
    ferplus: str = ""
    device: str = "auto"
    workers: int | None = None  # processes side by side; None for one per core, or one on a GPU
    sbatch: Mapping[str, str] = field(default_factory=dict)

    def command(self, run_id: str) -> list[str]:
        """The command that trains one run of the study, from this folder."""
        options = {"--study": self.study, "--run": run_id, "--data": self.data, "--runs": self.runs_dir}
        options |= {"--ferplus": self.ferplus} if self.ferplus else {}
        options |= {"--device": self.device} if self.device != "auto" else {}
        return ["train", *(str(part) for option in options.items() for part in option)]


Launcher = Callable[[Sequence[Planned], Job], None]


def sbatch_options(texts: Sequence[str]) -> dict[str, str]:
    """The options of sbatch in texts such as `partition=gpu`, or `exclusive` without a value."""
    return {name.removeprefix("--"): value for name, _, value in (text.partition("=") for text in texts)}


def launch_print(todo: Sequence[Planned], job: Job) -> None:
    """Print the command of every run, grouped by stage."""
    import shlex

    for stage, runs in groupby(todo, key=lambda one: one.stage):
        print(f"# stage {stage}")
        for one in runs:
            print(shlex.join(["fer", *job.command(one.run.name)]))


def launch_slurm(todo: Sequence[Planned], job: Job) -> None:
    """Submit the runs to Slurm as job arrays, one after another where a stage learns from another."""
    from fer_utils.training.slurm import submit

    ids: dict[str, str] = {}  # of jobs, by the run's key
    for stage, group in groupby(todo, key=lambda one: one.stage):
        runs = list(group)
        after = [ids[need.run.key] for one in runs for need in one.needs if need.run.key in ids]
        commands = [[sys.executable, "-m", "fer_utils", *job.command(one.run.key)] for one in runs]
        print(f"stage {stage}:", end=" ", flush=True)
        jobs = submit(commands, job.runs_dir / "slurm", job.sbatch, list(dict.fromkeys(after)))
        ids |= zip((one.run.key for one in runs), jobs, strict=True)


def launch_local(todo: Sequence[Planned], job: Job) -> None:
    """Train the runs in processes of this machine, side by side, which share the cores.

    Two runs side by side do up to 1.6 times the work of one after the other on both cores. Runs start in the order of
    the study, and wait for their teachers. One that fails stops only those that it teaches. Raises `FerError` with the
    end of each log of a failed run.
    """
    pool = _Pool(todo, job)
    try:
        while pool.waiting or pool.active:
            pool.start_ready()
            time.sleep(POLL_SECONDS)
            pool.collect()
    finally:
        pool.stop()
    if pool.failures:
        count = f"{len(pool.failures)} of {len(todo)} runs failed."
        raise FerError("\n".join([f"{count} The same command trains what is missing.", *pool.failures.values()]))


class _Pool:
    """Processes that train runs side by side."""

    def __init__(self, todo: Sequence[Planned], job: Job):
        self.job = job
        on_gpu = pick_device(job.device).type == "cuda"
        self.workers = job.workers or (1 if on_gpu else cores())
        self.threads = max(1, cores() // self.workers)  # not by what is missing: the number decides how sums round
        self.waiting = list(todo)
        self.active: dict[subprocess.Popen, Planned] = {}
        self.attempts: dict[str, int] = {}
        self.failures: dict[str, str] = {}  # by the run's key, in words
        self.done = {one.run.key: len(history_of(one.run.folder)) for one in todo}
        total = sum(one.run.recipe.epochs for one in todo)
        self.bar = tqdm(total=total, initial=sum(self.done.values()), unit="epoch", disable=None)

    def start_ready(self) -> None:
        """Start runs whose teachers are trained while there are free workers; fail those whose teachers failed.

        Runs that another study holds come last.
        """
        for one in sorted(self.waiting, key=lambda one: holder_of(one.run.folder) is not None):
            lost = [need for need in one.needs if need.run.key in self.failures]
            if lost:
                self.waiting.remove(one)
                self.failures[one.run.key] = f"{_label(one)}: its teacher {lost[0].run.name} failed"
            elif len(self.active) < self.workers and all(self._settled(need) for need in one.needs):
                self.waiting.remove(one)
                self.active[self._start(one)] = one

    def _settled(self, need: Planned) -> bool:
        """Whether nothing is left to be done for a teacher; if its weights are missing, the student says so."""
        return all(need.run != other.run for other in (*self.waiting, *self.active.values()))

    def _start(self, one: Planned) -> subprocess.Popen:
        folder = one.run.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FAILED).unlink(missing_ok=True)
        self.attempts[one.run.key] = self.attempts.get(one.run.key, 0) + 1
        with (folder / LOG).open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fer_utils", *self.job.command(one.run.key)],
                env=ENVIRONMENT | {"OMP_NUM_THREADS": str(self.threads)} | os.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the study, which stops its runs
            )

    def collect(self) -> None:
        """Take in the processes that ended, and show the progress."""
        for process, one in list(self.active.items()):
            self.done[one.run.key] = len(history_of(one.run.folder))
            if process.poll() is not None:
                del self.active[process]
                self._end(one, process.returncode)
        self.bar.update(sum(self.done.values()) - self.bar.n)

    def _end(self, one: Planned, code: int) -> None:
        if not code:
            tqdm.write(f"{_label(one)}: {_tail(one, 1)}")
        elif (number := _signal(code)) and self.attempts[one.run.key] < ATTEMPTS:
            self.waiting.insert(0, one)
            tqdm.write(f"{_label(one)}: killed by signal {number}, starting again")
        else:
            killed = f"killed {ATTEMPTS} times, last by signal {number} (out of memory?)" if number else ""
            why = killed or f"exit code {code}"
            if killed or not (one.run.folder / FAILED).exists():  # the process knows better why
                with suppress(OSError):  # a full disk, which is no reason to stop the other runs
                    (one.run.folder / FAILED).write_text(why)
            self.failures[one.run.key] = f"{_label(one)}: {why}; the end of {one.run.folder / LOG}:\n{_tail(one)}"

    def stop(self) -> None:
        """End the processes that still run."""
        for process in self.active:
            process.terminate()
        for process in self.active:
            process.wait()
        self.bar.close()


def _label(one: Planned) -> str:
    return f"{one.stage}: {one.run.model} seed {one.run.seed}"


def _signal(code: int) -> int:
    """The signal that ended a process, also where it caught a SIGTERM and exited, as `fer` does; else 0."""
    return signal.SIGTERM if code == 128 + signal.SIGTERM else max(-code, 0)


def _tail(one: Planned, lines: int = TAIL_LINES) -> str:
    """The last lines of a run's log."""
    try:
        text = (one.run.folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.strip().splitlines()[-lines:])


LAUNCHERS: dict[str, Launcher] = {"local": launch_local, "slurm": launch_slurm, "print": launch_print}


def run_study(study: Study, job: Job, launcher: str = "local", out: Path | None = None) -> pd.DataFrame:
    """Have the launcher train what is missing of a study; the results table of its finished runs.

    Every run is a process that knows its run by the study's file. Only `local` waits until all are finished. The table
    is written to `out`, also if some runs failed.
    """
    launch = LAUNCHERS[check_name("launcher", launcher, LAUNCHERS)]
    faces = load(job.data, job.ferplus)
    planned = plan(study, faces, job.runs_dir)
    try:
        if todo := unfinished(planned):
            # A copy of the study's file, so that an edit does not change what runs.
            launch(todo, replace(job, study=_write_file(study, job.runs_dir)))
    except KeyboardInterrupt:
        raise Interrupted(
            "stopped; finished epochs are kept. The same command resumes, and `--status` shows the progress"
        ) from None
    finally:
        for one in planned:
            publish_record(one)
        table = table_of(planned, faces)
        if out and len(table):
            atomic_write(out, table.to_csv(index=False))
    return table


def _write_file(study: Study, runs_dir: Path) -> Path:
    """The file of a study, named by its content."""
    file = runs_dir / "studies" / f"{hashlib.sha256(repr(study).encode()).hexdigest()[:12]}.toml"
    write_study(study, file)
    return file


def train_planned(
    one: Planned, faces: FaceSet, device: torch.device, report: Callable[[dict], None] = lambda row: None
) -> None:
    """Train one run of a study and write its record; if it fails, its folder says why."""
    failed = one.run.folder / FAILED
    failed.unlink(missing_ok=True)
    try:
        train_run(one.run, faces, device, report)
        publish_record(one)
    except Exception as error:
        with suppress(OSError):  # the folder may not exist, or the disk be full
            failed.write_text(str(error))
        raise
