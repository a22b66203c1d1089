"""How far a study is, and how long the rest takes on this machine."""

import itertools
import time
from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F

from fer_utils.data.faces import SIDE_PX, FaceSet, split
from fer_utils.data.targets import TARGETS
from fer_utils.models import zoo
from fer_utils.training.devices import autocast, computes_bfloat16, hardware
from fer_utils.training.optimizers import build_optimizers
from fer_utils.training.runs import Run, read_json
from fer_utils.training.study import FAILED, Planned, history_of, unfinished

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
    """Seconds per epoch by 20 steps on noise, of all sizes that the recipe shows, on one thread as runs have it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = zoo.build(run.model, classes=len(TARGETS[run.target])).train()
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = build_optimizers(model, run.recipe, run.precision)
    sides = run.recipe.sides_px if zoo.takes_any_size(model) else (SIDE_PX,)
    size = min(run.recipe.batch_size, faces)
    targets = torch.zeros(size, dtype=torch.int64, device=device)
    batches = [torch.randn(size, 1, side, side, device=device) for side in sides]
    start = time.perf_counter()
    for step, inputs in zip(range(-len(sides), TIMED_STEPS), itertools.cycle(batches), strict=False):
        if step == 0:  # those before warm up
            start = time.perf_counter()
        with autocast(run.precision, device):
            outputs = model(inputs.contiguous(memory_format=torch.channels_last)).float()
        model.zero_grad()
        F.cross_entropy(outputs, targets).backward()
        for optimizer in optimizers:
            optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    spent = time.perf_counter() - start
    torch.set_num_threads(threads)
    return spent / TIMED_STEPS * (faces // size)
