"""Costs of models: parameters, MACs, file size, latency and training time."""

import timeit
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch

from fer_utils.analysis.summary import summarize
from fer_utils.data.faces import CLASSES, SIDE_PX
from fer_utils.models import weights, zoo
from fer_utils.models.recognizer import Recognizer
from fer_utils.models.weights import Trained
from fer_utils.training.metrics import recognizer

TURNS = 50


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Summarize a results table with all costs; measures the latency anew."""
    summary = summarize(table)
    nets = [Trained(name, CLASSES, zoo.build(name)) for name in summary.model]
    return summary.assign(
        million_multiply_adds=summary.multiply_adds / 1e6,
        kilobytes=[weights.file_bytes(each.net, each.model) / 1e3 for each in nets],
        milliseconds=face_milliseconds([recognizer(each, torch.device("cpu")) for each in nets]),
    )


def face_milliseconds(readers: Sequence[Recognizer]) -> list[float]:
    """Latency of each network in milliseconds: batch 1, one thread of this CPU.

    The fastest of 50 measurements. The networks take turns, so that other load on the machine slows all of them alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    face = np.zeros((1, SIDE_PX, SIDE_PX), np.uint8)
    seconds = [[timeit.timeit(partial(read, face), number=1) for read in readers] for _ in range(TURNS)]
    torch.set_num_threads(threads)
    return [1000 * fastest for fastest in np.min(seconds, axis=0)]


def front(cost: pd.Series, accuracy: pd.Series) -> np.ndarray:
    """The positions of the Pareto-optimal models, in order of cost."""
    order = np.lexsort([-accuracy, cost])
    best = np.maximum.accumulate(accuracy.to_numpy()[order])
    return order[np.diff(best, prepend=-np.inf) > 0]
