"""How fast the training loop is beside the plain way and beside its own step, all measured in one go."""

import itertools
import multiprocessing
import os
import re
import time
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
GATE_SECONDS = 300  # to be ready in, so that no process waits for one that failed
PLAIN_BATCH = 128  # of the original
FACES = 2560  # of which a tenth is validation: an epoch takes some seconds


class PlainFaces(Dataset):
    """Training faces as most FER code reads them: one PIL image at a time, flipped and rotated at random."""

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
    """The plain way, float32 and channels first, with one worker: the number of images of each step."""
    net = zoo.build(model).train()
    adam = torch.optim.Adam(net.parameters(), 5e-4)
    batches = DataLoader(PlainFaces(faces), PLAIN_BATCH, shuffle=True, num_workers=1, persistent_workers=True)
    for inputs, labels in itertools.chain.from_iterable(itertools.repeat(batches)):
        adam.zero_grad()
        F.cross_entropy(net(inputs), labels).backward()
        adam.step()
        yield len(labels)


def step(model: str, faces: FaceSet, chosen: Recipe) -> Iterator[int]:
    """The step of our loop alone, on a batch that stays where it is."""
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
    """Our whole loop: augmentation, averaging, bookkeeping and the look at validation after each epoch."""
    training, validation = (examples(part, "labels") for part in split(faces))
    for _ in train(zoo.build(model), training, validation, chosen, 0, CPU, fastest_precision(CPU)):
        n, size = len(training.images), min(chosen.batch_size, len(training.images))
        yield n // size * size


def images_per_second(ways: Sequence[Callable[[], Iterator[int]]], seconds: float, runs: int) -> list[float]:
    """The images that each way of training takes in a second, as so many processes that share the cores.

    The ways take turns (an epoch of our loop, then as long of its step), so that what else the machine does falls on
    both.
    """
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(runs, context) as pool:
        gate = manager.Barrier(runs, timeout=GATE_SECONDS)
        started = [pool.submit(_rates, ways, seconds, max(cores() // runs, 1), gate) for _ in range(runs)]
        return np.sum([rates.result() for rates in started], axis=0).tolist()


def _rates(ways: Sequence[Callable[[], Iterator[int]]], seconds: float, threads: int, gate: Any) -> np.ndarray:
    torch.set_num_threads(threads)
    counts = [way() for way in ways]
    for each in counts:
        next(each)  # warms up
    gate.wait()
    images, spent = np.zeros(len(ways)), np.zeros(len(ways))
    while spent.min() < seconds:
        turn, start = spent.argmin(), time.perf_counter()
        images[turn] += next(counts[turn])
        spent[turn] += time.perf_counter() - start
    return images / spent


def load_seconds(data: str) -> tuple[float, float]:
    """Seconds to read the data cold and from the cache."""
    seconds = []
    with TemporaryDirectory() as cache, patch.dict(os.environ, {"FER_CACHE": cache}):
        for _ in range(2):
            start = time.perf_counter()
            load(data)
            seconds.append(time.perf_counter() - start)
    return seconds[0], seconds[1]


def plain_load_seconds(data: str) -> float | None:
    """Seconds to read a csv as most FER code does, with pandas and then row by row; None for another layout."""
    path = Path(data).expanduser()
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not re.search(rb"pixels|feature", file.readline(200), re.IGNORECASE):
            return None
    start = time.perf_counter()
    table = pd.read_csv(path).rename(columns=lambda name: name.strip().lower())
    np.array(
        [np.array(row.split(), np.uint8).reshape(SIDE_PX, SIDE_PX) for row in table.get("pixels", table.get("feature"))]
    )
    return time.perf_counter() - start


def bench(data: str, model: str, seconds: float = 20.0) -> dict[str, Any]:
    """Time the ways of training `model` on the CPU for so many seconds each.

    `images_per_second` is that of our loop as one run a core, side by side; `ratio_to_plain` divides it by the plain
    way on all cores, `ratio_to_step` by our step alone, side by side as well. `rates` holds every rate. For a csv,
    `load_ratio_to_plain` says how many times as long the plain way reads it, ours cold.
    """
    cold, cached = load_seconds(data)
    plain_load = plain_load_seconds(data)
    training = labelled_part(load(data), "Training")
    faces = training[np.random.default_rng(0).permutation(len(training))[:FACES]]
    chosen = replace(named_recipe("full"), sides_px=(SIDE_PX,), epochs=10_000)  # never ends within the seconds
    plainly, alone, whole = (
        partial(plain, zoo.check_model(model), faces),
        partial(step, model, faces, chosen),
        partial(loop, model, faces, chosen),
    )
    one, side = f"one run, {_counted(cores(), 'thread')}", f"{_counted(cores(), 'run')} side by side, 1 thread each"
    (rate_of_plain,) = images_per_second([plainly], seconds, 1)
    with patch.dict(os.environ, ENVIRONMENT):
        step_one, loop_one = images_per_second([alone, whole], seconds, 1)
        step_side, loop_side = images_per_second([alone, whole], seconds, cores())
    rates = {
        f"the plain way: {one}": rate_of_plain,
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


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n > 1 else ''}"
