"""A study: a grid of runs, trained where they are missing, and the table that comes out."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from fer_utils.data.faces import split
from fer_utils.data.load import load
from fer_utils.errors import FerError, InputError
from fer_utils.models import zoo
from fer_utils.training import distill
from fer_utils.training.devices import KEEP_MEMORY, cores, pick_device
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, results

ATTEMPTS = 3  # a process that was killed is started again, and goes on where it was


def train_study(
    data: str,
    models: Sequence[str],
    seeds: Sequence[int] = (0,),
    recipe: str = "quick",
    epochs: int | None = None,
    device: str = "auto",
    runs_dir: str | Path = "runs",
    workers: int | None = None,
    teachers: Sequence[str] = (),
    ferplus: str = "",
) -> pd.DataFrame:
    """Train every model with every seed, but nothing twice, and return the results table, one row a run.

    Every run is a process. On a CPU, `workers` of them (as many as there are cores, if not given) go side by side with
    one thread each, which does up to 1.6 times the work of one after the other on all cores; the longest start first.
    With `teachers` (run folders, files of weights, or models that ship), the models learn what these answer. With
    `ferplus`, the file of FER+'s votes, the labels are what most people saw.
    """
    chosen = named_recipe(recipe, epochs)
    models, seeds = list(dict.fromkeys(models)), list(dict.fromkeys(seeds))
    for model in models:
        zoo.check_model(model)
    if not models or not seeds:
        raise InputError(f"models {models}, seeds {seeds}: give at least one of each")
    on = pick_device(device)
    faces, folder = load(data, ferplus), Path(runs_dir)
    grid = product(models, seeds)
    runs = [Run(model, chosen, seed, faces.fingerprint, folder, tuple(teachers)) for model, seed in grid]
    results(run.folder for run in runs if run.finished)  # refuses those of an earlier net before hours of training
    missing = [run for run in runs if not run.finished]
    missing.sort(key=lambda run: zoo.multiply_adds(zoo.build(run.model)), reverse=True)
    if missing and teachers:  # once and on all cores, before the runs want it
        distill.teach(teachers, split(faces)[0], chosen, on, folder / "teaching")
    source = ["--data", data, *(["--ferplus", ferplus] if ferplus else [])]
    _train_side_by_side(missing, source, device, workers or (1 if on.type == "cuda" else cores()))
    table = results(run.folder for run in runs)
    return table.assign(data=faces.name)  # a finished run may have known the file by another name


def listed(*texts: str) -> list[str]:
    """The names in some texts, with commas between, each once; a text that is the path of something is one name."""
    names = [name.strip() for text in texts for name in ([text] if os.path.exists(text) else text.split(","))]
    return list(dict.fromkeys(filter(None, names)))


def whole_numbers(text: str) -> list[int]:
    """The whole numbers in a text, with commas between."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise InputError(f"seeds {text!r}: allowed are whole numbers from 0 with commas between, such as 0,1,2")
    return numbers


def _train_side_by_side(runs: list[Run], source: list[str], device: str, workers: int) -> None:
    """Keep `workers` processes busy until every run is trained; a run that fails does not stop the others."""
    waiting = [(run, 1) for run in runs]
    active: dict[subprocess.Popen, tuple[Run, int]] = {}
    failed: list[str] = []
    bar = tqdm(total=sum(run.recipe.epochs for run in runs), unit="epoch", disable=None if runs else True)
    try:
        while waiting or active:
            while waiting and len(active) < workers:
                run, attempt = waiting.pop(0)
                active[_start(run, source, device)] = run, attempt
            time.sleep(0.2)
            bar.update(sum(_epochs_done(run) for run in runs) - bar.n)
            for process in [process for process in active if process.poll() is not None]:
                run, attempt = active.pop(process)
                if _signal(process.returncode) and attempt < ATTEMPTS:
                    waiting.insert(0, (run, attempt + 1))
                elif process.returncode:
                    failed.append(f"{run.model} seed {run.seed}: {_why(run, process.returncode)}")
                else:
                    tqdm.write(f"{run.model}, seed {run.seed}: {_last_line(run)}")
    finally:
        for process in active:
            process.terminate()
        bar.close()
    if failed:
        raise FerError(
            f"{len(failed)} of {len(runs)} runs failed, the others are finished and kept. {'; '.join(failed)}"
        )


def _start(run: Run, source: list[str], device: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "fer_utils", "train", run.model, *source, "--recipe", run.recipe.name]
    command += ["--epochs", str(run.recipe.epochs), "--seed", str(run.seed), "--device", device]
    for teacher in run.teachers:
        command += ["--teacher", teacher]
    run.folder.mkdir(parents=True, exist_ok=True)
    with _log(run).open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [*command, "--runs", str(run.runs_dir)],
            env={**KEEP_MEMORY, **os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _log(run: Run) -> Path:
    return run.folder / "train.log"


def _epochs_done(run: Run) -> int:
    if run.finished:
        return run.recipe.epochs
    log = _log(run)
    return (
        min(log.read_text(encoding="utf-8", errors="replace").count("\nepoch"), run.recipe.epochs)
        if log.exists()
        else 0
    )


def _why(run: Run, returncode: int) -> str:
    if number := _signal(returncode):
        return f"killed {ATTEMPTS} times, last by signal {number} (out of memory?); see {_log(run)}"
    line = _last_line(run)
    return line if line.startswith("fer: ") else f"ended with exit code {returncode}; see {_log(run)}"


def _signal(returncode: int) -> int:
    """The signal that ended a process, also where it heard a SIGTERM and exited, as `fer` does; else 0."""
    return signal.SIGTERM if returncode == 128 + signal.SIGTERM else max(-returncode, 0)


def _last_line(run: Run) -> str:
    lines = _log(run).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"no message; see {_log(run)}"
