"""Training speed on the CPU: our loop, its step alone, and a plain PyTorch loop."""

import itertools
import multiprocessing
import os
import re
import time
import timeit
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from fer_utils.data.augment import to_input
from fer_utils.data.faces import SIDE_PX, FaceSet, split
from fer_utils.data.load import load
from fer_utils.data.targets import examples
from fer_utils.models import zoo
from fer_utils.training.devices import autocast, cores, fastest_precision
from fer_utils.training.loop import train, turn_off_dropout
from fer_utils.training.metrics import labelled_part
from fer_utils.training.optimizers import build_optimizers
from fer_utils.training.recipe import Recipe, named_recipe
from fer_utils.training.slurm import ENVIRONMENT

CPU = torch.device("cpu")
START_TIMEOUT_SECONDS = 300  # if a process fails, the others stop waiting for it
PLAIN_BATCH = 128  # as in the original homework
FACES = 2560  # a tenth is held out for validation; an epoch takes a few seconds


class PlainFaces(Dataset):
    """Faces as most FER code loads them: single PIL images, augmented at random."""

    def __init__(self, faces: FaceSet):
        self.faces = faces

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.faces.images[row])
        if torch.rand(1) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture = picture.rotate(float(torch.empty(1).uniform_(-15, 15)), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(picture, np.float32) / 255)[None], int(self.faces.labels[row])


def plain(model: str, faces: FaceSet) -> Iterator[int]:
    """Train in float32 from a DataLoader; yield the number of images of each step."""
    net = zoo.build(model).train()
    adam = torch.optim.Adam(net.parameters(), 5e-4)
    batches = DataLoader(PlainFaces(faces), PLAIN_BATCH, shuffle=True, num_workers=1, persistent_workers=True)
    for inputs, labels in itertools.chain.from_iterable(itertools.repeat(batches)):
        adam.zero_grad()
        F.cross_entropy(net(inputs), labels).backward()
        adam.step()
        yield len(labels)


def step(model: str, faces: FaceSet, chosen: Recipe) -> Iterator[int]:
    """Repeat our training step on one batch; yield the number of images of each."""
    net = zoo.build(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not chosen.dropout:
        turn_off_dropout(net)
    cast = fastest_precision(CPU)
    optimizers = build_optimizers(net, chosen, cast)
    net.train()
    inputs = to_input(torch.from_numpy(faces.images[: chosen.batch_size]))
    labels = torch.from_numpy(faces.labels[: chosen.batch_size])
    while True:
        with autocast(cast, CPU):
            outputs = net(inputs)
        net.zero_grad()
        F.cross_entropy(outputs.float(), labels).backward()
        for optimizer in optimizers:
            optimizer.step()
        yield len(labels)


def loop(model: str, faces: FaceSet, chosen: Recipe) -> Iterator[int]:
    """Train with our complete loop; yield the number of images of each epoch."""
    training, validation = (examples(part, "labels") for part in split(faces))
    for _ in train(zoo.build(model), training, validation, chosen, 0, CPU, fastest_precision(CPU)):
        size = min(chosen.batch_size, len(training.images))
        yield len(training.images) // size * size


def images_per_second(ways: Sequence[Callable[[], Iterator[int]]], seconds: float, runs: int) -> list[float]:
    """Images per second of each loop, summed over processes that share the cores.

    Each process alternates between the loops, so that other load on the machine affects all of them alike.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(runs, context) as pool:
        gate = manager.Barrier(runs, timeout=START_TIMEOUT_SECONDS)
        started = [pool.submit(_rates, ways, seconds, max(cores() // runs, 1), gate) for _ in range(runs)]
        return np.sum([rates.result() for rates in started], axis=0).tolist()


def _rates(ways: Sequence[Callable[[], Iterator[int]]], seconds: float, threads: int, gate: Any) -> np.ndarray:
    torch.set_num_threads(threads)
    counts = [way() for way in ways]
    for each in counts:
        next(each)  # warm-up
    gate.wait()
    images, spent = np.zeros(len(ways)), np.zeros(len(ways))
    while spent.min() < seconds:
        turn, start = spent.argmin(), time.perf_counter()
        images[turn] += next(counts[turn])
        spent[turn] += time.perf_counter() - start
    return images / spent


def plain_load_seconds(data: str) -> float | None:
    """Seconds to parse a CSV with pandas, row by row; None for other formats."""
    path = Path(data).expanduser()
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not re.search(rb"pixels|feature", file.readline(200), re.IGNORECASE):
            return None
    start = time.perf_counter()
    table = pd.read_csv(path).rename(columns=lambda name: name.strip().lower())
    rows = table.get("pixels", table.get("feature"))
    np.array([np.array(row.split(), np.uint8).reshape(SIDE_PX, SIDE_PX) for row in rows])
    return time.perf_counter() - start


def bench(data: str, model: str, seconds: float = 20.0, classes: str = "") -> dict[str, Any]:
    """Measure training speed on the CPU, `seconds` for each measurement.

    `rates` holds every rate in images per second. `images_per_second` is our loop with one single-threaded run per
    core. `ratio_to_plain` divides it by the plain loop on all cores, `ratio_to_step` by our step alone, also one run
    per core. `load_ratio_to_plain` is the plain loading time over ours without a cache; None unless `data` is a CSV.
    """
    with TemporaryDirectory() as cache, patch.dict(os.environ, {"FER_CACHE": cache}):
        cold, cached = timeit.repeat(partial(load, data, classes=classes), repeat=2, number=1)
    plain_load = plain_load_seconds(data)
    training = labelled_part(load(data, classes=classes), "Training")
    faces = training[np.random.default_rng(0).permutation(len(training))[:FACES]]
    chosen = replace(named_recipe("full"), sides_px=(SIDE_PX,), epochs=10_000)  # more than fit into the time
    ours = [partial(step, model, faces, chosen), partial(loop, model, faces, chosen)]
    (rate_of_plain,) = images_per_second([partial(plain, zoo.check_model(model), faces)], seconds, 1)
    with patch.dict(os.environ, ENVIRONMENT):
        step_one, loop_one = images_per_second(ours, seconds, 1)
        step_side, loop_side = images_per_second(ours, seconds, cores())
    plural = "s" if cores() > 1 else ""
    one, side = f"one run, {cores()} thread{plural}", f"{cores()} run{plural} side by side, 1 thread each"
    rates = {
        f"the plain loop: {one}": rate_of_plain,
        f"our step alone: {one}": step_one,
        f"our step alone: {side}": step_side,
        f"our loop: {one}": loop_one,
        f"our loop: {side}": loop_side,
    }
    return {
        "model": model,
        "rates": rates,
        "images_per_second": loop_side,
        "ratio_to_plain": loop_side / rate_of_plain,
        "ratio_to_step": loop_side / step_side,
        "load_seconds_cold": cold,
        "load_seconds_cached": cached,
        "load_ratio_to_plain": plain_load and plain_load / cold,
    }
