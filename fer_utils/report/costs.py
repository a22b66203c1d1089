"""What accuracy costs: parameters, arithmetic, bytes, time for one face, and training."""

import numpy as np
import pandas as pd

from fer_utils.models import weights, zoo
from fer_utils.report.analysis import summarize
from fer_utils.training.bench import CPU, face_milliseconds
from fer_utils.training.evaluate import reader

COSTS = ("parameters", "million_multiply_adds", "kilobytes", "milliseconds", "seconds")


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """The summary of a results table with every cost of its models; the time for a face is measured here and now."""
    summary = summarize(table)
    nets = [zoo.build(name) for name in summary.model]
    return summary.assign(
        million_multiply_adds=summary.multiply_adds / 1e6,
        kilobytes=[weights.file_bytes(net, name) / 1e3 for net, name in zip(nets, summary.model, strict=True)],
        milliseconds=face_milliseconds([reader(net, CPU) for net in nets]),
    )


def front(cost: pd.Series, accuracy: pd.Series) -> np.ndarray:
    """Which models no other one beats in both cost and accuracy, in the order of their cost: positions."""
    order = np.lexsort([-accuracy, cost])
    best = np.maximum.accumulate(accuracy.to_numpy()[order])
    return order[np.diff(best, prepend=-np.inf) > 0]
