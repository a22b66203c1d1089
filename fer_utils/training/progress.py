"""Progress of a study, and estimates of the remaining training time."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from fer_utils.data.faces import SIDE_PX, FaceSet, split
from fer_utils.data.targets import TARGETS, Examples
from fer_utils.models import zoo
from fer_utils.training import loop
from fer_utils.training.devices import computes_bfloat16, hardware
from fer_utils.training.plan import FAILED, Planned, history_of, unfinished
from fer_utils.training.runs import Run, read_json

TIMED_STEPS = 20


def progress_table(planned: Sequence[Planned]) -> pd.DataFrame:
    """One row per run: stage, name, state, epochs, and hours left at its own pace."""
    rows = []
    for one in planned:
        epochs, seconds = one.run.recipe.epochs, history_of(one.run.folder).seconds
        left = (epochs - one.epochs_done) * (seconds.median() if len(seconds) else float("nan"))
        hours = 0.0 if one.finished else left / 3600
        rows.append((one.stage, one.run.name, one.state, f"{one.epochs_done}/{epochs}", hours))
    return pd.DataFrame(rows, columns=["stage", "run", "state", "epochs", "hours_left"])


def failures(planned: Sequence[Planned]) -> list[str]:
    """One line per failed run: its name and the error."""
    failed = [one.run for one in planned if one.state == "failed"]
    return [f"{run.name}: {(run.folder / FAILED).read_text(encoding='utf-8').strip()}" for run in failed]


def dry_run_table(planned: Sequence[Planned], faces: FaceSet, device: torch.device) -> pd.DataFrame:
    """One row per run: stage, name, state, epochs, id, hours left on this machine."""
    table = progress_table(planned).drop(columns="hours_left")
    n = len(split(faces)[0])
    paces: dict[tuple, float] = {}
    hours: dict[str, float] = {}
    for run in (one.run for one in unfinished(planned)):  # includes teachers whose record has no weights
        kind = (run.model, run.recipe.name, run.target, run.precision)
        if kind not in paces:
            paces[kind] = _seconds_per_epoch(run, n, device)
        hours[run.key] = paces[kind] * (run.recipe.epochs - len(history_of(run.folder))) / 3600
    keys = [one.run.key for one in planned]
    return table.assign(id=keys, hours=[hours.get(key, 0.0) for key in keys])


def slow_precisions(planned: Sequence[Planned], device: torch.device) -> list[str]:
    """A warning if unfinished runs use a precision that is slow on this device."""
    slow = [one for one in planned if not one.finished and one.run.precision == "bfloat16"]
    if not slow or computes_bfloat16(device):
        return []
    return [
        f"runs in bfloat16: {len(slow)}. On {hardware(device)} it is emulated and up to ten times slower. Set "
        "precision = 'float32', which starts new runs"
    ]


def _seconds_per_epoch(run: Run, faces: int, device: torch.device) -> float:
    """By the fastest finished run of this kind and hardware, else by timed steps."""
    data = run.name.partition("_")[0]
    found = []
    for file in run.runs_dir.glob(f"{data}_{run.recipe.name}-*/run.json"):
        record = read_json(file)
        same = (record.get("hardware"), record.get("precision"), record.get("fingerprint"))
        if same == (hardware(device), run.precision, run.data):
            found.append(record["seconds"] / record["recipe"]["epochs"])
    return min(found) if found else _timed_epoch(run, faces, device)


def _timed_epoch(run: Run, faces: int, device: torch.device) -> float:
    """Seconds per epoch, from about 20 timed steps on noise on one thread.

    For each input size of the recipe, one short epoch warms up and a second one is timed.
    """
    sizes = len(run.recipe.sides_seen)
    recipe = dataclasses.replace(run.recipe, epochs=2 * sizes)
    steps, classes = -(-TIMED_STEPS // sizes), len(TARGETS[run.target])
    training, validation = (_noise(count, classes) for count in (steps * min(recipe.batch_size, faces), 1))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = zoo.build(run.model, classes=classes)
        *_, state = loop.train(model, training, validation, recipe, 0, device, run.precision)
    finally:
        torch.set_num_threads(threads)
    seconds = sum(row["seconds"] for row in state.history[1::2])
    return seconds / (sizes * steps) * (faces // min(recipe.batch_size, faces))


def _noise(count: int, classes: int) -> Examples:
    """Random images, all of the first class."""
    images = np.random.default_rng(0).integers(0, 256, (count, SIDE_PX, SIDE_PX), np.uint8)
    return Examples(images, np.eye(classes, dtype=np.float32)[np.zeros(count, int)], np.zeros(count, np.int64))
