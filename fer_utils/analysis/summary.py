"""The summary of a results table: one row per model and training setup."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from fer_utils.analysis.statistics import interval
from fer_utils.data import demo
from fer_utils.data.faces import USAGES
from fer_utils.training.runs import COLUMNS

NAMES = ("start", "teachers")  # columns with names of networks; empty for none
# The columns that define a training setup.
WAY = ["model", "recipe", *COLUMNS, "batchnorm", *NAMES, "target"]


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """Summarize a table of runs: one row per model and training setup (`WAY`).

    The rows are sorted by family and size. `X_accuracy` is the mean over seeds, `X_deviation` their standard deviation
    (NaN for one seed), and `X_low`..`X_high` the 95 % confidence interval over faces (`statistics.interval`).
    """
    names = {name: table[name].astype(object).mask(table[name].isna(), "") for name in NAMES}
    groups = table.assign(**names).groupby(WAY, sort=False)  # an empty name is NaN in a table from a file
    summary = groups[["family", "parameters", "multiply_adds", "device"]].first()
    summary = summary.join(groups.seed.nunique().rename("seeds")).join(groups.seconds.mean())
    for name in measures(table):
        accuracy, n = groups[f"{name}_accuracy"].mean(), groups[f"{name}_faces"].first()
        summary[f"{name}_accuracy"] = accuracy
        summary[f"{name}_deviation"] = groups[f"{name}_accuracy"].std()
        intervals = [interval(p, faces) for p, faces in zip(accuracy, n, strict=True)]
        summary[[f"{name}_low", f"{name}_high"]] = np.reshape(intervals, (-1, 2))  # also of an empty table
        kinds = [f"{name}_accuracy_{kind}" for kind in ("without_leak", "flip_averaged")]
        for column in (column for column in table if column in kinds or column.startswith(f"{name}_votes_")):
            summary[column] = groups[column].mean()
    return summary.reset_index().sort_values(["family", "parameters", "teachers"], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Results:
    """A results table with its summary, computed once."""

    table: pd.DataFrame

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The summary of the table."""
        return summarize(self.table)

    @cached_property
    def by_model(self) -> pd.DataFrame:
        """The summary, indexed by model."""
        return self.summary.set_index("model", drop=False)

    @cached_property
    def measure(self) -> str:
        """The part of the data that results are stated on."""
        return final_measure(self.table)


def best_ways(table: pd.DataFrame) -> pd.DataFrame:
    """The training setup with the best validation accuracy, for each model.

    Setups with and without teachers have separate rows.
    """
    summary = summarize(table)
    return summary.loc[summary.groupby(["model", summary.teachers != ""]).validation_accuracy.idxmax().sort_values()]


def measures(table: pd.DataFrame) -> list[str]:
    """The parts on which the table has accuracies: `validation` and the test sets."""
    return [name for name in ("validation", *USAGES[1:]) if f"{name}_accuracy" in table]


def stated_measures(table: pd.DataFrame) -> list[str]:
    """The parts that comparisons are stated on: the final measure and validation."""
    return list(dict.fromkeys([final_measure(table), "validation"]))


def final_measure(table: pd.DataFrame) -> str:
    """The part for results: PublicTest, else PrivateTest, else validation."""
    return [*measures(table)[1:], "validation"][0]


def is_demo(table: pd.DataFrame) -> bool:
    """Whether any run of a results table is on the demo faces."""
    return bool((table.data == demo.NAME).any())


def earlier(table: pd.DataFrame) -> pd.Series:
    """Which runs are of bundled networks that were trained before the published study, each in its own way."""
    return table.key.fillna("") == "" if "key" in table else pd.Series(False, table.index)


def is_earlier(table: pd.DataFrame) -> bool:
    """Whether any run is `earlier`."""
    return bool(earlier(table).any())


def run_seeds(summary: pd.DataFrame) -> dict[str, int]:
    """The smallest and the largest number of seeds per model."""
    return {"low": int(summary.seeds.min()), "high": int(summary.seeds.max())}


def run_epochs(summary: pd.DataFrame) -> list[int]:
    """The numbers of epochs, sorted and each once."""
    return sorted(map(int, summary.epochs.unique()))


def shown_seed(table: pd.DataFrame) -> int | None:
    """The seed that figures of single runs show; None if there is only one."""
    return int(table.seed.min()) if table.seed.nunique() > 1 else None
