"""Numbers: what a results table says, model by model and pair by pair."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from torch import nn

from fer_utils.data.faces import USAGES
from fer_utils.models import matched, zoo
from fer_utils.report.display import is_demo
from fer_utils.report.statistics import Difference, difference, interval
from fer_utils.training.runs import COLUMNS

# What the original report gives: validation of questions 2 and 3, PublicTest of question 1.
ORIGINAL = pd.DataFrame(
    [
        ("mobilenet-46k", 0.636364, 0.63109),
        ("mobilenet-112k", 0.643330, None),
        ("mobilenet-158k", 0.654824, None),
        ("cnn-48k", 0.449321, None),
        ("cnn-103k", 0.576106, None),
        ("cnn-150k", 0.612679, None),
        ("cnn-852k", 0.655869, None),
        ("vgg-1.9m", None, 0.68487),
    ],
    columns=["model", "validation_accuracy", "PublicTest_accuracy"],
)
NAMES = ("start", "teachers")  # of trained nets, empty where there are none
# What tells one way of training from another: of a recipe, what is in the table.
WAY = ["model", "recipe", *COLUMNS, "batchnorm", *NAMES, "target"]
STEPS = ("depth_step", "head_step", "block_step", "width_step")  # what changes from net to net of `matched.chain`
# What lies between the nets of the chain that are of equal size: the block together with the width that it pays for.
PARTS = {"depth_part": (0, 1), "head_part": (1, 2), "block_part": (2, 4)}
SAME_SIZE = 1.25  # two models with parameters within this ratio count as equal in size


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


def best_ways(table: pd.DataFrame) -> pd.DataFrame:
    """Of the summary of a results table, for each model, taught and not, the way of training best on validation."""
    summary = summarize(table)
    return summary.loc[summary.groupby(["model", summary.teachers != ""]).validation_accuracy.idxmax().sort_values()]


def measures(table: pd.DataFrame) -> list[str]:
    """What the table has accuracies of: `validation`, and the test usages that the data have."""
    return [name for name in ("validation", *USAGES[1:]) if f"{name}_accuracy" in table]


def original(table: pd.DataFrame) -> pd.DataFrame:
    """What stands beside a results table of the original's numbers, by model: none of them beside drawn faces."""
    return (ORIGINAL[:0] if is_demo(table) else ORIGINAL).set_index("model")


def stated_measures(table: pd.DataFrame) -> list[str]:
    """What a comparison is stated on: the final measure, and validation, on which nets are chosen."""
    return list(dict.fromkeys([final_measure(table), "validation"]))


def final_measure(table: pd.DataFrame) -> str:
    """What a result is stated on: PublicTest where the data have it, else another test, else validation."""
    return [*measures(table)[1:], "validation"][0]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models of a results table on one measure, each as its row of the summary."""

    first: pd.Series
    second: pd.Series
    measure: str
    table: pd.DataFrame

    @cached_property
    def difference(self) -> Difference:
        """The two on the same faces."""
        one, two = (self.table[self.table.model == row.model] for row in (self.first, self.second))
        return difference(one, two, self.measure)


def compare(table: pd.DataFrame, first: str, second: str, measure: str) -> Comparison:
    """Two models of a results table, by name."""
    rows = summarize(table).set_index("model", drop=False)
    return Comparison(rows.loc[first], rows.loc[second], measure, table)


def matched_pairs(table: pd.DataFrame, measure: str) -> list[Comparison]:
    """Every MobileNet beside the plain CNN nearest to it in size, where there is one within `SAME_SIZE`."""
    summary = summarize(table)
    cnns = summary[summary.family == "cnn"]
    pairs = []
    for _, net in summary[summary.family == "mobilenet"].iterrows():
        ratio = np.exp(np.abs(np.log(cnns.parameters / net.parameters)))
        if len(ratio) and ratio.min() <= SAME_SIZE:
            pairs.append(Comparison(net, cnns.loc[ratio.idxmin()], measure, table))
    return pairs


def caught_up(summary: pd.DataFrame) -> tuple[pd.Series, pd.Series | None, pd.Series | None]:
    """The best MobileNet on validation, the smallest plain CNN that is as accurate or more, and the next smaller one.

    They are rows of a summary; a CNN that is not in it is None.
    """
    nets, cnns = (summary[summary.family == family] for family in ("mobilenet", "cnn"))
    best = nets.loc[nets.validation_accuracy.idxmax()]
    equals = cnns[cnns.validation_accuracy >= best.validation_accuracy]
    if equals.empty:
        return best, None, None
    equal = equals.loc[equals.parameters.idxmin()]
    smaller = cnns[cnns.parameters < equal.parameters]
    return best, equal, None if smaller.empty else smaller.loc[smaller.parameters.idxmax()]


def steps(table: pd.DataFrame, budget: int) -> list[Comparison]:
    """The steps from the plain CNN to the MobileNet at a budget, each a net beside the one before it."""
    chain = matched.chain(budget)
    return [compare(table, after, before, final_measure(table)) for before, after in pairwise(chain)]


def parts(table: pd.DataFrame, budget: int) -> dict[str, Comparison]:
    """What lies between the plain CNN and the MobileNet of a budget, a pair of nets of equal size a part."""
    chain, measure = matched.chain(budget), final_measure(table)
    return {part: compare(table, chain[after], chain[before], measure) for part, (before, after) in PARTS.items()}


def budgets(table: pd.DataFrame) -> list[int]:
    """The budgets at which all nets of equal size are in the table."""
    return [budget for budget in matched.BUDGETS if set(matched.chain(budget)) <= set(table.model)]


@dataclass(frozen=True)
class Anatomy:
    """Where a model's parameters are."""

    convolutions: int  # of 3x3
    widest: int  # channels of its widest convolution
    head_share: float  # of the parameters, in the fully connected layers and their BatchNorms
    multiply_adds: int


def anatomy(name: str) -> Anatomy:
    """Where the parameters of a model of the zoo are."""
    model = zoo.build(name)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    head = sum(zoo.parameters(m) for m in model.modules() if isinstance(m, nn.Linear | nn.BatchNorm1d))
    widest = max(layer.out_channels for layer in convolutions)
    return Anatomy(len(convolutions), widest, head / zoo.parameters(model), zoo.multiply_adds(model))
