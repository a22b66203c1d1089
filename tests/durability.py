"""Prove that nothing is lost: disturb studies, resume each with the same command, and compare the results.

    python tests/durability.py --kills 20 --seed 0
    python tests/durability.py --scale  # seconds and memory for many runs and many faces

Kills, full disks, cut files, and two studies at once: each disturbed study has a folder of its own. The script exits
with 1 unless each ends with exit code 0, with the weights and predictions of an
undisturbed study byte for byte, and with equal accuracies. Processes are forks of this one, which has imported PyTorch;
`--fresh` starts a Python interpreter for each, as users do, and takes ten times as long. Linux only.
"""

import argparse
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import pyarrow.parquet  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from fer_utils import cli  # noqa: E402
from fer_utils.models import zoo  # noqa: E402
from fer_utils.training import launchers, metrics, plan, progress, records, runs, study  # noqa: E402, F401
from tests.conftest import faces_of, write_csv  # noqa: E402
from tests.faults import Fault, drafts, install_from_environment  # noqa: E402

EPOCHS = 2
RUNS = 4
FACES = 112
PATIENCE_SECONDS = 900  # that a study may take on a busy machine
VICTIMS = ("worker", "study", "launcher")
STUDY = f"""
epochs = {EPOCHS}
precision = "float32"

[[stage]]
name = "teachers"
models = "cnn-48k"
seeds = [0, 1]

[[stage]]
name = "students"
models = ["cnn-103k", "cnn-48k"]
teachers = "teachers"
"""


# ---- processes ----


class Forked:
    """A `fer` command in a fork of this process; takes the place of `subprocess.Popen`."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], stdout: IO, cwd: Path | None = None, **_: Any):
        sys.stdout.flush()
        sys.stderr.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _run_command(command[3:], env, stdout, cwd or Path.cwd())

    def poll(self) -> int | None:
        """The exit code, or minus the signal; None for a process that runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        """Wait for the end; the exit code."""
        wait_until(lambda: self.poll() is not None, "the end of a process", timeout)
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def _run_command(arguments: Sequence[str], env: Mapping[str, str], log: IO, folder: Path) -> None:
    """What a fork does: run `fer` with these arguments, and exit."""
    code: Any = 1
    try:
        os.setsid()
        os.chdir(folder)
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        os.environ.clear()
        os.environ.update(env)
        install_from_environment()
        launchers.subprocess = SimpleNamespace(Popen=Forked, DEVNULL=subprocess.DEVNULL)  # type: ignore[assignment]
        sys.argv = ["fer", *arguments]
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def wait_until(done: Callable[[], bool], what: str, timeout: float = PATIENCE_SECONDS) -> None:
    """Wait until something is so. Raises `TimeoutError`."""
    end = time.monotonic() + timeout
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}")
        time.sleep(0.002)


def processes(folder: Path) -> list[int]:
    """The processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "cwd") == str(folder):
                found.append(int(entry.name))
    return found


def warm_up() -> None:
    """Import what PyTorch imports late, so that forks need not."""
    torch.set_num_threads(1)
    torch.optim.AdamW(zoo.build("cnn-48k").parameters())


# ---- studies in folders ----


@dataclass
class Lab:
    """A folder with the data, the reference, and a folder for each disturbed study."""

    folder: Path
    fresh: bool = False
    seconds: float = 0.0  # that the reference took
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.folder = self.folder.resolve()
        write_csv(self.folder / "faces.csv", faces_of(FACES))

    def new_study(self, *, with_records: bool = True) -> Path:
        """A fresh folder with a study file."""
        where = self.folder / f"study-{next(self.numbers):03}"
        where.mkdir()
        (where / "study.toml").write_text(('records = "records"\n' if with_records else "") + STUDY)
        return where

    def start(
        self, where: Path, fault: Fault | None = None, workers: int = 2, cache: str = "cache"
    ) -> "Forked | subprocess.Popen":
        """Start the study of a folder."""
        options = {"--data": "../faces.csv", "--runs": "runs", "--workers": workers, "--device": "cpu"}
        arguments = ["study", "study.toml", *(str(part) for option in options.items() for part in option)]
        paths = [str(where / "fault"), str(ROOT)]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "FER_CACHE": str(self.folder / cache)}
        env |= {"PYTHONPATH": os.pathsep.join(paths), **(fault.environment() if fault else {})}
        if fault and self.fresh:
            (where / "fault" / "sitecustomize.py").write_text(
                "from tests.faults import install_from_environment\ninstall_from_environment()\n"
            )
        process = subprocess.Popen if self.fresh else Forked
        with (where / "study.log").open("a") as log:
            return process(
                [sys.executable, "-m", "fer_utils", *arguments],
                cwd=where, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def resume(self, where: Path) -> int:
        """Run the study to its end, and wait for processes of an earlier one; the exit code."""
        code = self.start(where).wait(PATIENCE_SECONDS)
        wait_until(lambda: not processes(where), "the end of all processes")
        return code

    def make_reference(self) -> None:
        """Run the study undisturbed."""
        where = self.new_study()
        start = time.monotonic()
        if code := self.resume(where):
            sys.exit(f"the undisturbed study ended with exit code {code}:\n{(where / 'study.log').read_text()}")
        self.seconds = time.monotonic() - start
        where.rename(self.reference)

    @property
    def reference(self) -> Path:
        """The folder of the undisturbed study."""
        return self.folder / "reference"


def epochs_logged(where: Path) -> int:
    """The epochs that all runs of a study trained, repeated ones included."""
    logs = where.glob("runs/*/train.log")
    return sum(line.startswith("epoch ") for log in logs for line in log.read_text(errors="replace").splitlines())


def on_disk(where: Path) -> str:
    """What a study has written so far, in a few words."""
    counts = {
        "finished": len(list(where.glob("runs/*/run.json"))),
        "resumable": len(list(where.glob("runs/*/resume.pt"))),
        "logits": len(list(where.glob("runs/teacher-logits/*/*.npy"))),
        "records": len(list(where.glob("records/*/run.json"))),
    }
    words = [f"{count} {name}" for name, count in counts.items() if count]
    names = sorted(f"{path.name[1:].rsplit('.', 2 if path.suffix[1:] else 1)[0]}" for path in drafts(where))
    return ", ".join([*words, *(f"draft of {name}" for name in names)]) or "nothing"


def differences(reference: Path, where: Path) -> list[str]:
    """How the results of a study differ from those of another, in words; empty for equal ones."""
    found = []
    for folder in sorted(path.parent for path in reference.glob("runs/*/run.json")):
        found += unequal_files(folder, where / "runs" / folder.name)
    ours, theirs = (pd.read_csv(one / "results.csv") for one in (where, reference))
    compared = ["model", "seed", "teachers", *(name for name in theirs if "accuracy" in name)]
    if not ours[compared].equals(theirs[compared]):
        found.append("accuracies in results.csv")
    if "records" in (where / "study.toml").read_text():
        found += unequal_files(reference / "records", where / "records")
    return found


def unequal_files(folder: Path, twin: Path) -> list[str]:
    """The files of weights and predictions below a folder that differ in another."""
    names = ("weights.safetensors", "predictions.csv", "*.npz")
    files = sorted(file for name in names for file in folder.rglob(name))
    return [
        f"{folder.name}/{file.relative_to(folder)}"
        for file in files
        if not _same(file, twin / file.relative_to(folder))
    ]


def _same(file: Path, other: Path) -> bool:
    if not other.exists():
        return False
    if file.suffix != ".npz":
        return file.read_bytes() == other.read_bytes()
    with np.load(file) as ours, np.load(other) as theirs:
        return set(ours) == set(theirs) and all(np.array_equal(ours[name], theirs[name]) for name in ours)


# ---- disturbances ----


@dataclass
class Row:
    """A disturbed study.

    `repeated` counts the epochs that were trained again although they were logged, which is after they were saved.
    `faults` says in words what is wrong.
    """

    disturbance: str
    moment: str
    disk: str
    repeated: int
    faults: list[str]

    def __str__(self) -> str:
        verdict = "no: " + "; ".join(self.faults) if self.faults else "yes"
        return f"{self.disturbance:<16} {self.moment:<44} {self.disk:<58} {self.repeated:>4}  {verdict}"


HEAD = f"{'disturbance':<16} {'moment':<44} {'on disk then':<58} {'rep.':>4}  equal"


def _ended(
    lab: Lab, where: Path, disturbance: str, moment: str, disk: str, before: int | None = None,
    faults: Sequence[str] = (),
) -> Row:  # fmt: skip
    """Resume a disturbed study, compare it, and delete it if it is equal. `before`: epochs that are no repeats."""
    code = lab.resume(where)
    found = [*faults, *([f"exit code {code} when resumed"] if code else [])]
    found += [] if code else differences(lab.reference, where)
    found += [f"draft {path.relative_to(where)} is left" for path in drafts(where / "runs")]
    repeated = max(0, epochs_logged(where) - (RUNS * EPOCHS if before is None else before))
    if left := drafts(where / "records"):
        disk += f" (left: {len(left)} draft of a record)"
    if found:
        found.append(f"see {where}")
    else:
        shutil.rmtree(where)
    return Row(disturbance, moment, disk, repeated, found)


def kill(victim: str, process: Any, where: Path, rng: random.Random) -> None:
    """SIGKILL a worker of a study, its own process, or all of them."""
    workers = sorted(pid for pid in processes(where) if pid != process.pid)
    chosen = {"worker": workers and [rng.choice(workers)], "study": [process.pid], "launcher": [process.pid, *workers]}
    for pid in chosen[victim]:
        if pid != process.pid or process.poll() is None:  # a process that was waited for has lost its number
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if process.pid in chosen[victim]:
        process.wait(PATIENCE_SECONDS)


def killed_at_random(lab: Lab, number: int, rng: random.Random) -> Row:
    """A study killed after a random share of the time that the reference took."""
    victim, share = VICTIMS[number % len(VICTIMS)], rng.uniform(0.02, 0.98)
    where = lab.new_study()
    process = lab.start(where)
    time.sleep(share * lab.seconds)
    if victim == "worker":
        wait_until(lambda: process.poll() is not None or len(processes(where)) > 1, "a worker")
    disk = on_disk(where)
    early = process.poll() is not None
    kill(victim, process, where, rng)
    code = process.wait(PATIENCE_SECONDS)
    faults = [f"exit code {code} with a killed worker"] if victim == "worker" and code else []
    moment = f"at {share:.0%} of the undisturbed time" + (" (had ended)" if early else "")
    return _ended(lab, where, f"kill {victim}", moment, disk, faults=faults)


def killed_in_a_write(lab: Lab, victim: str, pattern: str, number: int, rng: random.Random) -> Row:
    """A study killed in the `number`-th write of files like `pattern`, whose draft is on disk."""
    where = lab.new_study()
    fault = Fault("halt", str(where / "fault"), number, pattern)
    process = lab.start(where, fault, workers=1)
    wait_until(lambda: bool(fault.hit) or process.poll() is not None, f"write {number} of {pattern}")
    assert fault.hit, f"{pattern} is not written {number} times"
    disk = on_disk(where)
    if victim == "worker":
        os.kill(next(pid for pid in processes(where) if pid != process.pid), signal.SIGKILL)
        code = process.wait(PATIENCE_SECONDS)
    else:
        kill(victim, process, where, rng)
        code = 0
    if victim == "study":  # its worker goes on while the study is resumed
        resumed = lab.start(where)
        time.sleep(0.5)
        fault.release()
        code = resumed.wait(PATIENCE_SECONDS)
    faults = [f"exit code {code}"] if code else []
    return _ended(lab, where, f"kill {victim}", f"in the write of {_short(fault.hit)}", disk, faults=faults)


def _short(path: str) -> str:
    """A written file in a few characters: its name after the record, the model or the logits that it is of."""
    file = Path(path)
    if file.parent.name == "records" or file.name == "results.csv":
        return file.name
    kind = "record " if file.parents[1].name == "records" else ""
    return f"{kind}{file.parent.name.partition('.')[0][:12]}/{file.name}"


def killed_at_logits(lab: Lab, victim: str, rng: random.Random) -> Row:
    """A study killed as soon as the folder of the teachers' logits appears."""
    where = lab.new_study()
    process = lab.start(where)
    wait_until(lambda: any(where.glob("runs/teacher-logits/*")), "the teachers' logits")
    disk = on_disk(where)
    kill(victim, process, where, rng)
    code = process.wait(PATIENCE_SECONDS)
    faults = [f"exit code {code} with a killed worker"] if victim == "worker" and code else []
    return _ended(lab, where, f"kill {victim}", "when teacher-logits appears", disk, faults=faults)


def full_disk(lab: Lab, number: int) -> Row | None:
    """A study whose `number`-th write meets a full disk; None beyond the last write."""
    where = lab.new_study()
    fault = Fault("full", str(where / "fault"), number)
    code = lab.start(where, fault, workers=1).wait(PATIENCE_SECONDS)
    if not fault.hit:
        return None
    text = (where / "study.log").read_text()
    lines = [line for line in text.splitlines() if line.startswith("fer: ") and os.strerror(28) in line]
    faults = [] if code == 1 else [f"exit code {code}"]
    faults += [] if len(lines) == 1 and Path(fault.hit).name in lines[0] else [f"{len(lines)} lines name the file"]
    faults += ["a traceback"] if "Traceback" in text else []
    faults += [f"draft {path.name} is left" for path in drafts(where)]
    return _ended(lab, where, "full disk", f"write {number}: {_short(fault.hit)}", on_disk(where), faults=faults)


def full_disk_at_cache(lab: Lab) -> Row:
    """A study that cannot cache its data: it goes on without."""
    where = lab.new_study()
    fault = Fault("full", str(where / "fault"), 1, "cold-cache")
    code = lab.start(where, fault, cache="cold-cache").wait(PATIENCE_SECONDS)
    faults = [f"exit code {code}"] if code else []
    faults += [] if "no cache for" in (where / "study.log").read_text() else ["no warning"]
    return _ended(lab, where, "full disk", "the cache of the data", on_disk(where), faults=faults)


def cut_files(lab: Lab) -> Iterator[Row]:
    """Finished and unfinished studies with one file cut to nothing, or to half."""
    unfinished = lab.new_study(with_records=False)
    fault = Fault("halt", str(unfinished / "fault"), 3, "/run.json")
    process = lab.start(unfinished, fault, workers=1)
    wait_until(lambda: bool(fault.hit), "the first student's last write")
    kill("launcher", process, unfinished, random.Random(0))
    for state, source in (("finished", lab.reference), ("unfinished", unfinished)):
        students = sorted(path.parent for path in source.glob("runs/*distilled*/resume.pt"))
        students = students or sorted(source.glob("runs/cnn-103k*distilled*"))
        teacher = next(source.glob("runs/*_seed-1_*"))
        folders = [teacher, students[0]] if state == "finished" else [students[0]]
        files = [file for folder in folders for file in sorted(folder.iterdir())]
        files += [next(source.glob("runs/teacher-logits/*/*.npy"))] if state == "unfinished" else []
        for file, share in itertools.product([file for file in files if file not in drafts(source)], (0.0, 0.5)):
            where = lab.new_study(with_records=False)
            shutil.copytree(source / "runs", where / "runs")
            cut = where / file.relative_to(source)
            os.truncate(cut, int(share * file.stat().st_size))
            moment = f"{state} {_short(str(file))} to {share:.0%}"
            missing = 0 if state == "finished" else EPOCHS  # of the other student
            yield _ended(lab, where, "cut file", moment, on_disk(where), epochs_logged(where) + missing)
    shutil.rmtree(unfinished)


def two_studies(lab: Lab, delay_seconds: float) -> Row:
    """Two studies in one folder at once."""
    where = lab.new_study()
    first = lab.start(where)
    time.sleep(delay_seconds)
    disk, second = on_disk(where), lab.start(where)
    codes = [process.wait(PATIENCE_SECONDS) for process in (first, second)]
    faults = [f"exit codes {codes}"] if any(codes) else []
    faults += [f"{extra} epochs trained twice"] if (extra := epochs_logged(where) - RUNS * EPOCHS) else []
    return _ended(lab, where, "two studies", f"the second {delay_seconds:.1f} s later", disk, faults=faults)


# Writes in which processes are killed: a part of the path, which of them, and the victims.
WRITES: tuple[tuple[str, int, Sequence[str]], ...] = (
    ("/resume.pt", 1, VICTIMS),
    ("/resume.pt", 2, ("launcher",)),
    ("/history.csv", 1, ("study",)),
    ("/teacher-logits/", 1, VICTIMS),
    ("/teacher-logits/", 2, ("launcher",)),
    ("/weights.safetensors", 1, ("worker",)),
    ("/predictions.csv", 1, ("study",)),
    ("/run.json", 1, VICTIMS),
    ("records/", 1, VICTIMS),  # between the end of a run and its record
    ("records/", 2, ("launcher",)),
    ("records/", 5, ("launcher",)),
    ("/results.csv", 1, ("launcher",)),
)


def disturbances(lab: Lab, kills: int, seed: int, parts: Sequence[str]) -> Iterator[Row]:
    """Disturb studies in all ways; a row for each."""
    rng = random.Random(seed)
    if "kills" in parts:
        for number in range(kills):
            yield killed_at_random(lab, number, rng)
    if "writes" in parts:
        for victim in VICTIMS:
            yield killed_at_logits(lab, victim, rng)
        for pattern, number, victims in WRITES:
            for victim in victims:
                yield killed_in_a_write(lab, victim, pattern, number, rng)
    if "two" in parts:
        for delay_seconds in (0.0, 0.3 * lab.seconds, 0.7 * lab.seconds):
            yield two_studies(lab, delay_seconds)
    if "cut" in parts:
        yield from cut_files(lab)
    if "full" in parts:
        yield full_disk_at_cache(lab)
        for number in itertools.count(1):
            row = full_disk(lab, number)
            if row is None:
                break
            yield row


# ---- scale ----

MEASURED = """
import json, resource, sys, time
start = time.monotonic()
try:
    {work}
finally:
    peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps([time.monotonic() - start, *peaks]), file=open("measured.json", "w"))
"""
STUDY_WORK = "from fer_utils.cli import main; main()"
LOAD_WORK = "from fer_utils.data.load import load; print(load(sys.argv[1]).fingerprint)"


def measured(work: str, arguments: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Seconds, and MiB at the peak of a process and of its largest child.

    A child counts the memory of the process that started it until it starts its own program.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "FER_CACHE": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", MEASURED.format(work=work), *arguments]
    subprocess.run(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds, own, child = json.loads((folder / "measured.json").read_text())
    return seconds, own, child


def smooth_faces(path: Path, n: int) -> None:
    """Write n random images that correlate as faces do, as parquet in the proportions of FER2013."""
    rng = np.random.default_rng(0)
    waves = np.cos(np.pi * np.outer(np.arange(12), np.arange(48) + 0.5) / 48) / (1 + np.arange(12)[:, None])
    schema = pyarrow.schema({"image": pyarrow.binary(), "label": pyarrow.int64(), "usage": pyarrow.string()})
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for _ in range(n // 10_000):
            fields = np.einsum("nij,ix,jy->nxy", rng.normal(size=(10_000, 12, 12)), waves, waves, optimize=True)
            fields += rng.normal(0, 0.5 * fields.std(), fields.shape)
            images = np.clip(128 + 50 * fields / fields.std(), 0, 255).astype(np.uint8)
            encoded = [_png(image) for image in images]
            labels, usage = np.arange(10_000) % 7, ["Training"] * 8000 + ["PublicTest"] * 1000 + ["PrivateTest"] * 1000
            writer.write_table(pyarrow.table([encoded, labels, usage], schema=schema))


def _png(image: np.ndarray) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "png", compress_level=1)
    return stored.getvalue()


def measure_scale(folder: Path) -> None:
    """Print seconds and memory of studies and of data sets."""
    print(f"{'':<32} {'seconds':>8} {'MiB':>6} {'MiB of the largest child':>26}")
    write_csv(folder / "faces.csv", faces_of(FACES))
    for count in (1, 4, 16):
        where = folder / f"{count}-runs"
        where.mkdir()
        options = {"--models": "cnn-48k", "--seeds": ",".join(map(str, range(count))), "--epochs": "1"}
        options |= {"--data": "../faces.csv", "--device": "cpu", "--workers": "2"}
        found = measured(STUDY_WORK, ["study", *(part for option in options.items() for part in option)], where)
        print(f"{f'study of {count} runs':<32} {found[0]:8.1f} {found[1]:6.0f} {found[2]:26.0f}", flush=True)
    for count in (30_000, 300_000):
        smooth_faces(folder / f"{count}.parquet", count)
        for state in ("cold", "cached"):
            seconds, peak, _ = measured(LOAD_WORK, [f"{count}.parquet"], folder)
            print(f"{f'loading {count:,} faces, {state}':<32} {seconds:8.1f} {peak:6.0f}", flush=True)


PARTS = ("kills", "writes", "two", "cut", "full")


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="studies killed at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--only", default=",".join(PARTS), help="comma-separated parts (default: %(default)s)")
    parser.add_argument("--fresh", action="store_true", help="start a Python interpreter for each process")
    parser.add_argument("--scale", action="store_true", help="measure seconds and memory instead")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="durability-"))
    if arguments.scale:
        measure_scale(folder)
        shutil.rmtree(folder)
        return
    warm_up()
    lab = Lab(folder, arguments.fresh)
    lab.make_reference()
    print(f"undisturbed: {lab.seconds:.1f} s, {on_disk(lab.reference)} ({folder})\n{HEAD}", flush=True)
    failed = total = 0
    for row in disturbances(lab, arguments.kills, arguments.seed, arguments.only.split(",")):
        print(row, flush=True)
        failed, total = failed + bool(row.faults), total + 1
    print(f"{total - failed} of {total} disturbed studies end equal to the undisturbed one")
    if failed:
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
