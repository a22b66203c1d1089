"""The summary of a results table: a row for each model trained one way."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from fer_utils.analysis.statistics import interval
from fer_utils.data import demo
from fer_utils.data.faces import USAGES
from fer_utils.training.runs import COLUMNS

NAMES = ("start", "teachers")  # of trained nets, empty where there are none
# What tells one way of training from another: of a recipe, what is in the table.
WAY = ["model", "recipe", *COLUMNS, "batchnorm", *NAMES, "target"]


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """One row a model trained one way, by family and size, from a results table with one row a run.

    One way is what `WAY` has.
    Every accuracy `X_accuracy` is the mean over the seeds, with `X_deviation` between them (NaN for a single seed) and
    the 95 % interval `X_low`..`X_high` that the number of faces allows (Wilson 1927, JASA 22:209).
    """
    names = {name: table[name].astype(object).mask(table[name].isna(), "") for name in NAMES}
    groups = table.assign(**names).groupby(WAY, sort=False)  # in a table from a file, an empty name is NaN
    summary = groups[["family", "parameters", "multiply_adds", "device"]].first()
    summary = summary.join(groups.seed.nunique().rename("seeds")).join(groups.seconds.mean())
    for name in measures(table):
        accuracy, n = groups[f"{name}_accuracy"].mean(), groups[f"{name}_faces"].first()
        summary[f"{name}_accuracy"] = accuracy
        summary[f"{name}_deviation"] = groups[f"{name}_accuracy"].std()
        intervals = [interval(p, faces) for p, faces in zip(accuracy, n, strict=True)]
        summary[[f"{name}_low", f"{name}_high"]] = intervals
        for kind in ("without_leak", "flip_averaged"):
            if (column := f"{name}_accuracy_{kind}") in table:
                summary[column] = groups[column].mean()
    return summary.reset_index().sort_values(["family", "parameters", "teachers"], ignore_index=True)


@dataclass(frozen=True, eq=False)
class Results:
    """A results table with what is computed from it, once."""

    table: pd.DataFrame

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row for each model trained one way."""
        return summarize(self.table)

    @cached_property
    def by_model(self) -> pd.DataFrame:
        """The summary by the models' names."""
        return self.summary.set_index("model", drop=False)

    @cached_property
    def measure(self) -> str:
        """What results are stated on."""
        return final_measure(self.table)


def best_ways(table: pd.DataFrame) -> pd.DataFrame:
    """Of the summary of a results table, for each model, taught and not, the way of training best on validation."""
    summary = summarize(table)
    return summary.loc[summary.groupby(["model", summary.teachers != ""]).validation_accuracy.idxmax().sort_values()]


def measures(table: pd.DataFrame) -> list[str]:
    """What the table has accuracies of: `validation`, and the test usages that the data have."""
    return [name for name in ("validation", *USAGES[1:]) if f"{name}_accuracy" in table]


def stated_measures(table: pd.DataFrame) -> list[str]:
    """What a comparison is stated on: the final measure, and validation, on which nets are chosen."""
    return list(dict.fromkeys([final_measure(table), "validation"]))


def final_measure(table: pd.DataFrame) -> str:
    """What a result is stated on: PublicTest where the data have it, else another test, else validation."""
    return [*measures(table)[1:], "validation"][0]


def is_demo(table: pd.DataFrame) -> bool:
    """Whether any result of a results table is from the demo faces."""
    return bool((table.data == demo.NAME).any())


def run_seeds(summary: pd.DataFrame) -> dict[str, int]:
    """The fewest and the most seeds of a model."""
    return {"low": int(summary.seeds.min()), "high": int(summary.seeds.max())}


def run_epochs(summary: pd.DataFrame) -> list[int]:
    """For how many epochs models were trained, each number once."""
    return sorted(map(int, summary.epochs.unique()))


def shown_seed(table: pd.DataFrame) -> int | None:
    """The seed of what shows single runs, where there are several."""
    return int(table.seed.min()) if table.seed.nunique() > 1 else None
