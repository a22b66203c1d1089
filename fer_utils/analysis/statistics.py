"""Confidence intervals and paired tests, from the predictions of each run."""

import math
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, norm

from fer_utils.errors import InputError
from fer_utils.training.records import read_predictions

LEVEL = 0.05  # significance level of the tests; the intervals cover 95 %
RESAMPLES = 2000  # of the bootstrap


def interval(share: float, n: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share of n (Wilson 1927, JASA 22:209)."""
    z = norm.ppf(1 - LEVEL / 2)
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return min(low, share), max(high, share)  # at 0 and 1, rounding could exclude the share


def predictions(run: str, part: str) -> pd.DataFrame:
    """The predictions of a finished run on a part, sorted by face and label.

    For the columns, see `metrics.prediction_table`; `right` tells where the network predicts the label.
    """
    files = Path(run).glob("predictions.*")
    parts = _parts(run, max((file.stat().st_mtime_ns for file in files), default=0))
    return parts.get(part, parts[""])


@cache
def _parts(run: str, mtime_ns: int) -> dict[str, pd.DataFrame]:
    """The same by part, and an empty table as `""`; cached until the file changes."""
    table = read_predictions(Path(run)).sort_values(["face", "label"], kind="stable")
    table["right"] = table.predicted == table.label
    return {"": table[:0]} | {str(part): rows.reset_index(drop=True) for part, rows in table.groupby("part")}


def hits(runs: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Which faces of a part are classified correctly: bool `(seeds, N)`."""
    rows = {
        seed: predictions(run, measure).set_index("face").right
        for seed, run in runs[["seed", "run"]].itertuples(index=False)
    }
    return pd.DataFrame(rows).T.sort_index()


@dataclass(frozen=True, eq=False)
class Difference:
    """Two models on the same faces: `first` and `second` are hits, bool `(seeds, N)`.

    For `points` and `interval`, they may also be shares of a hit, such as those that tied voters give.
    """

    first: np.ndarray
    second: np.ndarray

    @cached_property
    def by_seed(self) -> np.ndarray:
        """The lead of the first in percentage points, seed by seed."""
        return 100 * (self.first.mean(1) - self.second.mean(1))

    @property
    def points(self) -> float:
        """The lead of the first in percentage points: mean over seeds, to a tenth."""
        return round(100 * float(self.first.mean() - self.second.mean()), 1) + 0.0  # never -0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the lead, over faces and seeds.

        Percentiles of a paired bootstrap: faces and seeds are resampled independently, the same for both models (Owen
        2007, Annals of Applied Statistics 1:386). Faces with equal gains are drawn together, from a multinomial.
        """
        gains = 100 * (self.first.astype(float) - self.second)
        seeds, faces = gains.shape
        kinds, counts = np.unique(gains, axis=1, return_counts=True)
        rng = np.random.default_rng(0)
        shares = rng.multinomial(faces, counts / faces, RESAMPLES) / faces
        weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
        points = ((shares @ kinds.T) * weights).sum(1)
        low, high = np.quantile(points, [LEVEL / 2, 1 - LEVEL / 2])
        return float(low), float(high)

    @cached_property
    def p(self) -> float:
        """p of McNemar's exact test (1947, Psychometrika 12:153).

        With several seeds, the largest p; 1 if the seeds differ in sign.
        """
        if len(set(np.sign(self.by_seed))) > 1:
            return 1.0
        return max(_mcnemar(a, b) for a, b in zip(self.first, self.second, strict=True))

    @property
    def decided(self) -> bool:
        """Whether the difference is significant, with the same sign for every seed."""
        return self.p < LEVEL


def _mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    one, other = int((first & ~second).sum()), int((second & ~first).sum())  # faces that only one gets right
    return float(binomtest(one, max(one + other, 1)).pvalue)  # 1 if there are none


def difference(first: pd.DataFrame, second: pd.DataFrame, measure: str) -> Difference:
    """Compare two models on the faces of a part.

    Each is given by its runs in a results table. Raises `InputError` if their faces or seeds differ.
    """
    one, two = hits(first, measure), hits(second, measure)
    names = f"{first.model.iloc[0]} and {second.model.iloc[0]}"
    if not one.columns.equals(two.columns):
        raise InputError(f"{names} were not evaluated on the same {measure} faces. Train both on the same data")
    if not one.index.equals(two.index):
        raise InputError(f"{names} were trained with the seeds {list(one.index)} and {list(two.index)}: take the same")
    return Difference(one.to_numpy(bool), two.to_numpy(bool))
