"""How far a study is, and how long the rest takes on this machine."""

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
    """A row for each run: its stage, name, state, finished epochs, and hours left by the pace of its own epochs."""
    rows = []
    for one in planned:
        seconds = history_of(one.run.folder).seconds
        left = (one.run.recipe.epochs - one.epochs_done) * (seconds.median() if len(seconds) else float("nan"))
        rows.append(
            {
                "stage": one.stage,
                "run": one.run.name,
                "state": one.state,
                "epochs": f"{one.epochs_done}/{one.run.recipe.epochs}",
                "hours_left": 0.0 if one.finished else left / 3600,
            }
        )
    return pd.DataFrame(rows)


def failures(planned: Sequence[Planned]) -> list[str]:
    """Why runs failed, a line for each."""
    return [
        f"{one.run.name}: {(one.run.folder / FAILED).read_text(encoding='utf-8').strip()}"
        for one in planned
        if one.state == "failed"
    ]


def dry_run_table(planned: Sequence[Planned], faces: FaceSet, device: torch.device) -> pd.DataFrame:
    """A row for each run: its stage, name, id, state, and the hours that it still takes on this machine."""
    table = progress_table(planned).drop(columns="hours_left")
    paces = _Paces(len(split(faces)[0]), device)
    todo = {one.run.key for one in unfinished(planned)}  # also teachers whose record lacks their weights
    hours = [
        paces.seconds(one.run) * (one.run.recipe.epochs - len(history_of(one.run.folder))) / 3600
        if one.run.key in todo
        else 0.0
        for one in planned
    ]
    return table.assign(id=[one.run.key for one in planned], hours=hours)


def slow_precisions(planned: Sequence[Planned], device: torch.device) -> list[str]:
    """A warning if runs are still to be trained in a precision in which this device is slow."""
    slow = [one for one in planned if not one.finished and one.run.precision == "bfloat16"]
    if not slow or computes_bfloat16(device):
        return []
    return [
        f"runs in bfloat16: {len(slow)}. {hardware(device)} emulates it, up to ten times more slowly. Set precision = "
        "'float32'; that trains new runs"
    ]


class _Paces:
    """Seconds per epoch on this machine, measured once for each model and recipe."""

    def __init__(self, faces: int, device: torch.device):
        self.faces, self.device = faces, device
        self.known: dict[tuple, float] = {}

    def seconds(self, run: Run) -> float:
        """Of a run: by finished ones of its kind on this hardware, else by timed steps."""
        kind = (run.model, run.recipe.name, run.target, run.precision)
        if kind not in self.known:
            finished = _finished_paces(run, hardware(self.device))
            self.known[kind] = min(finished) if finished else _timed_epoch(run, self.faces, self.device)
        return self.known[kind]


def _finished_paces(run: Run, machine: str) -> list[float]:
    """Seconds per epoch of the finished runs of this kind on this hardware."""
    data = run.name.partition("_")[0]
    found = []
    for file in run.runs_dir.glob(f"{data}_{run.recipe.name}-*/run.json"):
        record = read_json(file)
        same = (record.get("hardware"), record.get("precision"), record.get("fingerprint"))
        if same == (machine, run.precision, run.data):
            found.append(record["seconds"] / record["recipe"]["epochs"])
    return found


def _timed_epoch(run: Run, faces: int, device: torch.device) -> float:
    """Seconds per epoch by about 20 steps on noise, on one thread as runs have it.

    An epoch of a few steps warms up and another is timed, for each size of faces that the recipe shows.
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
    """Random faces, all of the first class."""
    images = np.random.default_rng(0).integers(0, 256, (count, SIDE_PX, SIDE_PX), np.uint8)
    return Examples(images, np.eye(classes, dtype=np.float32)[np.zeros(count, int)], np.zeros(count, np.int64))
