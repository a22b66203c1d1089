"""Numbers: what a results table says, model by model and pair by pair."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from torch import nn

from fer_utils.data.faces import USAGES
from fer_utils.models import zoo

# What the original report gives (validation of questions 2 and 3, PublicTest of question 1), with its own counts.
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
SAME_SIZE = 1.25  # two models with parameters within this ratio count as equal in size


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """One row a model trained one way, by family and size, from a results table with one row a run.

    One way is one recipe, number of epochs, and teachers.
    Every accuracy `X_accuracy` is the mean over the seeds, with `X_deviation` between them (NaN for a single seed) and
    the 95 % interval `X_low`..`X_high` that the number of faces allows (Wilson 1927, JASA 22:209).
    """
    groups = table.groupby(["model", "recipe", "epochs", "teachers"], sort=False)
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


def measures(table: pd.DataFrame) -> list[str]:
    """What the table has accuracies of: `validation`, and the test usages that the data have."""
    return [name for name in ("validation", *USAGES[1:]) if f"{name}_accuracy" in table]


def final_measure(table: pd.DataFrame) -> str:
    """What a result is stated on: PublicTest where the data have it, else another test, else validation."""
    return [*measures(table)[1:], "validation"][0]


def interval(accuracy: float, faces: int) -> tuple[float, float]:
    """The 95 % Wilson interval of an accuracy on so many faces."""
    found = binomtest(round(accuracy * faces), int(faces)).proportion_ci(0.95, method="wilson")
    return found.low, found.high


@dataclass(frozen=True)
class Comparison:
    """Two models on one measure."""

    first: pd.Series
    second: pd.Series
    measure: str

    @property
    def points(self) -> float:
        """By how many percentage points the first is better, to a tenth."""
        accuracy = f"{self.measure}_accuracy"
        return round(100 * (self.first[accuracy] - self.second[accuracy]), 1) + 0.0  # never -0.0

    @property
    def decided(self) -> bool:
        """Whether the 95 % intervals lie apart."""
        low, high = f"{self.measure}_low", f"{self.measure}_high"
        return self.first[low] > self.second[high] or self.second[low] > self.first[high]


def compare(summary: pd.DataFrame, first: str, second: str, measure: str) -> Comparison:
    """Two models of a summary, by name."""
    rows = summary.set_index("model", drop=False)
    return Comparison(rows.loc[first], rows.loc[second], measure)


def matched_pairs(summary: pd.DataFrame) -> list[Comparison]:
    """Every MobileNet beside the plain CNN nearest to it in size, where there is one within `SAME_SIZE`."""
    cnns = summary[summary.family == "cnn"]
    pairs = []
    for _, net in summary[summary.family == "mobilenet"].iterrows():
        ratio = np.exp(np.abs(np.log(cnns.parameters / net.parameters)))
        if len(ratio) and ratio.min() <= SAME_SIZE:
            pairs.append(Comparison(net, cnns.loc[ratio.idxmin()], "validation"))
    return pairs


def catch_up(summary: pd.DataFrame) -> tuple[pd.Series, pd.Series | None]:
    """The best MobileNet on validation, and the smallest plain CNN that is as accurate or more; None if none is."""
    nets, cnns = (summary[summary.family == family] for family in ("mobilenet", "cnn"))
    best = nets.loc[nets.validation_accuracy.idxmax()]
    equals = cnns[cnns.validation_accuracy >= best.validation_accuracy]
    return best, None if equals.empty else equals.loc[equals.parameters.idxmin()]


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
