"""Comparisons of models: parameter-matched pairs, catching up, and the ablation."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from torch import nn

from fer_utils.analysis.statistics import Difference, difference
from fer_utils.analysis.summary import Results
from fer_utils.models import matched, zoo

STEPS = ("depth_step", "head_step", "block_step", "width_step")  # between neighbours in `matched.chain`
# Between its parameter-matched models; the separable block includes the width that it allows.
PARTS = {"depth_part": (0, 1), "head_part": (1, 2), "block_part": (2, 4)}
SAME_SIZE = 1.25  # largest ratio of parameters in a parameter-matched pair


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on one part of the data, each given by its row of the summary."""

    first: pd.Series
    second: pd.Series
    measure: str
    table: pd.DataFrame

    @cached_property
    def difference(self) -> Difference:
        """The difference on the same faces, with its interval and test."""
        one, two = (self.table[self.table.model == row.model] for row in (self.first, self.second))
        return difference(one, two, self.measure)


def compare(results: Results, first: str, second: str, measure: str) -> Comparison:
    """Compare two models of a results table, by name."""
    return Comparison(results.by_model.loc[first], results.by_model.loc[second], measure, results.table)


def matched_pairs(results: Results, measure: str) -> list[Comparison]:
    """Pair every MobileNet with the plain CNN nearest in size, within `SAME_SIZE`."""
    summary = results.summary
    cnns = summary[summary.family == "cnn"]
    pairs = []
    for _, net in summary[summary.family == "mobilenet"].iterrows():
        ratio = np.exp(np.abs(np.log(cnns.parameters / net.parameters)))
        if len(ratio) and ratio.min() <= SAME_SIZE:
            pairs.append(Comparison(net, cnns.loc[ratio.idxmin()], measure, results.table))
    return pairs


def caught_up(summary: pd.DataFrame) -> tuple[pd.Series, pd.Series | None, pd.Series | None]:
    """The best MobileNet on validation, and the plain CNN that catches up with it.

    Returns three rows of the summary: the MobileNet, the smallest plain CNN that is at least as accurate, and the next
    smaller CNN. A missing CNN is None.
    """
    nets, cnns = (summary[summary.family == family] for family in ("mobilenet", "cnn"))
    best = nets.loc[nets.validation_accuracy.idxmax()]
    equals = cnns[cnns.validation_accuracy >= best.validation_accuracy]
    if equals.empty:
        return best, None, None
    equal = equals.loc[equals.parameters.idxmin()]
    smaller = cnns[cnns.parameters < equal.parameters]
    return best, equal, None if smaller.empty else smaller.loc[smaller.parameters.idxmax()]


def steps(results: Results, budget: int) -> list[Comparison]:
    """The steps of the ablation at a budget: each model against its predecessor."""
    chain = matched.chain(budget)
    return [compare(results, after, before, results.measure) for before, after in pairwise(chain)]


def parts(results: Results, budget: int) -> dict[str, Comparison]:
    """The parts of the ablation at a budget, each a parameter-matched pair."""
    chain, measure = matched.chain(budget), results.measure
    return {part: compare(results, chain[after], chain[before], measure) for part, (before, after) in PARTS.items()}


def budgets(table: pd.DataFrame) -> list[int]:
    """The parameter budgets at which the table has the whole ablation."""
    return [budget for budget in matched.BUDGETS if set(matched.chain(budget)) <= set(table.model)]


@dataclass(frozen=True)
class Anatomy:
    """The structure of a model."""

    convolutions: int  # number of 3x3 convolutions
    widest: int  # channels of the widest of them
    head_share: float  # share of parameters in the fully connected layers and their BatchNorms


def anatomy(name: str) -> Anatomy:
    """The structure of a model of the zoo, by name."""
    model = zoo.build(name)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    head = sum(zoo.parameters(m) for m in model.modules() if isinstance(m, nn.Linear | nn.BatchNorm1d))
    widest = max(layer.out_channels for layer in convolutions)
    return Anatomy(len(convolutions), widest, head / zoo.parameters(model))
