"""Launchers: train a study on this machine or on Slurm, or print the commands."""

import hashlib
import os
import shlex
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
from fer_utils.training.slurm import ENVIRONMENT, submit
from fer_utils.training.study import Study, write_study

ATTEMPTS = 3  # of a run whose process is killed; each resumes after the last epoch
POLL_SECONDS = 0.2
LOG = "train.log"  # in a run folder
TAIL_LINES = 5


@dataclass(frozen=True)
class Job:
    """The options that all processes of a study share."""

    data: str
    runs_dir: Path
    study: Path = Path()  # the study file
    ferplus: str = ""
    device: str = "auto"
    workers: int | None = None  # parallel processes; None for one per core, or one on a GPU
    sbatch: Mapping[str, str] = field(default_factory=dict)
    watch: Callable[[Sequence[Planned]], None] = lambda planned: None  # called again and again while runs train here

    def command(self, run_id: str) -> list[str]:
        """The arguments of `fer` that train one run of the study."""
        options = {"--study": self.study, "--run": run_id, "--data": self.data, "--runs": self.runs_dir}
        options |= {"--ferplus": self.ferplus} if self.ferplus else {}
        options |= {"--device": self.device} if self.device != "auto" else {}
        return ["train", *(str(part) for option in options.items() for part in option)]


Launcher = Callable[[Sequence[Planned], Job], None]


def sbatch_options(texts: Sequence[str]) -> dict[str, str]:
    """Parse sbatch options such as `partition=gpu`, or `exclusive` without a value."""
    return {name.removeprefix("--"): value for name, _, value in (text.partition("=") for text in texts)}


def launch_print(todo: Sequence[Planned], job: Job) -> None:
    """Print the command of every run, grouped by stage."""
    for stage, runs in groupby(todo, key=lambda one: one.stage):
        print(f"# stage {stage}")
        for one in runs:
            print(shlex.join(["fer", *job.command(one.run.name)]))


def launch_slurm(todo: Sequence[Planned], job: Job) -> None:
    """Submit the runs to Slurm as job arrays; students wait for their teachers."""
    ids: dict[str, str] = {}  # job ids by run key
    for stage, group in groupby(todo, key=lambda one: one.stage):
        runs = list(group)
        after = [ids[need.run.key] for one in runs for need in one.needs if need.run.key in ids]
        commands = [[sys.executable, "-m", "fer_utils", *job.command(one.run.key)] for one in runs]
        print(f"stage {stage}:", end=" ", flush=True)
        jobs = submit(commands, job.runs_dir / "slurm", job.sbatch, after)
        ids |= zip((one.run.key for one in runs), jobs, strict=True)


def launch_local(todo: Sequence[Planned], job: Job) -> None:
    """Train the runs in parallel processes that share the cores of this machine.

    Runs start in study order and wait for their teachers. If a run fails, so do its students; all others go on. Raises
    `FerError` with the last log lines of each failed run.
    """
    pool = _Pool(todo, job)
    try:
        while pool.waiting or pool.active:
            pool.start_ready()
            time.sleep(POLL_SECONDS)
            pool.collect()
            job.watch(todo)
    finally:
        pool.stop()
    if pool.failures:
        summary = f"{len(pool.failures)} of {len(todo)} runs failed. Run the same command again to train them."
        raise FerError("\n".join([summary, *pool.failures.values()]))


class _Pool:
    """Parallel processes that train runs."""

    def __init__(self, todo: Sequence[Planned], job: Job):
        self.job = job
        on_gpu = pick_device(job.device).type == "cuda"
        self.workers = job.workers or (1 if on_gpu else cores())
        self.threads = max(1, cores() // self.workers)  # never by the number of runs: threads change rounding
        self.waiting = list(todo)
        self.active: dict[subprocess.Popen, Planned] = {}
        self.attempts: dict[str, int] = {}
        self.failures: dict[str, str] = {}  # messages by run key
        self.done = {one.run.key: len(history_of(one.run.folder)) for one in todo}
        total = sum(one.run.recipe.epochs for one in todo)
        self.bar = tqdm(total=total, initial=sum(self.done.values()), unit="epoch", disable=None)

    def start_ready(self) -> None:
        """Start runs whose teachers are trained; fail those whose teachers failed.

        Runs that another process holds come last. If a teacher ends without weights, the student reports it.
        """
        pending = [other.run for other in (*self.waiting, *self.active.values())]
        for one in sorted(self.waiting, key=lambda one: holder_of(one.run.folder) is not None):
            lost = [need for need in one.needs if need.run.key in self.failures]
            if lost:
                self.waiting.remove(one)
                self.failures[one.run.key] = f"{_label(one)}: its teacher {lost[0].run.name} failed"
            elif len(self.active) < self.workers and all(need.run not in pending for need in one.needs):
                self.waiting.remove(one)
                self.active[self._start(one)] = one

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
                start_new_session=True,  # Ctrl-C reaches only the study, which stops its runs
            )

    def collect(self) -> None:
        """Handle ended processes and update the progress bar."""
        for process, one in list(self.active.items()):
            self.done[one.run.key] = len(history_of(one.run.folder))
            if process.poll() is not None:
                del self.active[process]
                self._end(one, process.returncode)
        self.bar.update(sum(self.done.values()) - self.bar.n)

    def _end(self, one: Planned, code: int) -> None:
        # The signal that ended the process, or 0; `fer` exits with 143 on SIGTERM.
        number = signal.SIGTERM if code == 128 + signal.SIGTERM else max(-code, 0)
        if not code:
            tqdm.write(f"{_label(one)}: {_tail(one, 1)}")
        elif number and self.attempts[one.run.key] < ATTEMPTS:
            self.waiting.insert(0, one)
            tqdm.write(f"{_label(one)}: killed by signal {number}; restarting")
        else:
            killed = f"killed {ATTEMPTS} times, last by signal {number} (out of memory?)"
            why = killed if number else f"exit code {code}"
            failed, log = one.run.folder / FAILED, one.run.folder / LOG
            if number or not failed.exists():  # else the process has written the error itself
                with suppress(OSError):  # a full disk must not stop the other runs
                    failed.write_text(why)
            self.failures[one.run.key] = f"{_label(one)}: {why}; last lines of {log}:\n{_tail(one)}"

    def stop(self) -> None:
        """Terminate the processes that are still running."""
        for process in self.active:
            process.terminate()
        for process in self.active:
            process.wait()
        self.bar.close()


def _label(one: Planned) -> str:
    return f"{one.stage}: {one.run.model} seed {one.run.seed}"


def _tail(one: Planned, lines: int = TAIL_LINES) -> str:
    try:
        text = (one.run.folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.strip().splitlines()[-lines:])


LAUNCHERS: dict[str, Launcher] = {"local": launch_local, "slurm": launch_slurm, "print": launch_print}


def run_study(study: Study, job: Job, launcher: str = "local", out: Path | None = None) -> pd.DataFrame:
    """Train the unfinished runs of a study; return the table of finished ones.

    Only launcher `local` waits for the runs. The table is written to `out`, even if runs fail. Raises `FerError` if
    runs fail, `Interrupted` on Ctrl-C.
    """
    launch = LAUNCHERS[check_name("launcher", launcher, LAUNCHERS)]
    faces = load(job.data, job.ferplus, study.classes)
    planned = plan(study, faces, job.runs_dir)
    copy = job.runs_dir / "studies" / f"{hashlib.sha256(repr(study).encode()).hexdigest()[:12]}.toml"
    try:
        if todo := unfinished(planned):
            write_study(study, copy)  # for the processes: editing the original must not affect them
            launch(todo, replace(job, study=copy))
    except KeyboardInterrupt:
        raise Interrupted("stopped; finished epochs are saved. The same command resumes the study") from None
    finally:
        for one in planned:
            publish_record(one)
        table = table_of(planned, faces)
        if out and len(table):
            atomic_write(out, table.to_csv(index=False))
    return table


def train_planned(
    one: Planned, faces: FaceSet, device: torch.device, report: Callable[[dict], None] = lambda row: None
) -> None:
    """Train one run and write its record; on failure, save the error in its folder."""
    failed = one.run.folder / FAILED
    failed.unlink(missing_ok=True)
    try:
        train_run(one.run, faces, device, report)
        publish_record(one)
    except Exception as error:
        with suppress(OSError):  # the folder may be missing, or the disk full
            failed.write_text(str(error))
        raise
