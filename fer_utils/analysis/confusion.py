"""Errors by expression: confusion, recall, and agreement with FER+'s voters."""

import numpy as np
import pandas as pd

from fer_utils.analysis.statistics import interval, predictions
from fer_utils.analysis.summary import final_measure, summarize
from fer_utils.data.faces import CLASSES, UNLABELLED


def examples(table: pd.DataFrame) -> list[str]:
    """The models to show: smallest MobileNet, smallest plain CNN, largest model."""
    summary = summarize(table).sort_values("parameters")
    smallest = [summary[summary.family == family].model.head(1) for family in ("mobilenet", "cnn")]
    return list(dict.fromkeys([*pd.concat(smallest), *summary.model.tail(1)]))


def predictions_of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The predictions of a model's first seed on the test faces."""
    run = table[table.model == model].sort_values("seed").run.iloc[0]
    return predictions(run, final_measure(table))


def confusion(said: pd.DataFrame) -> np.ndarray:
    """The confusion matrix `(7, 7)`: a row per label, as shares that sum to 1."""
    classes = range(len(CLASSES))
    shares = pd.crosstab(said.label, said.predicted, normalize="index")
    return shares.reindex(index=classes, columns=classes, fill_value=0.0).to_numpy()


def recalls(said: pd.DataFrame) -> pd.DataFrame:
    """Recall of each expression that occurs.

    Columns: `faces`, `recall`, and its 95 % confidence interval `low`..`high`.
    """
    right = (said.predicted == said.label).groupby(said.label).agg(["size", "mean"])
    right.columns = ["faces", "recall"]
    ends = [interval(row.recall, row.faces) for row in right.itertuples()]
    return right.assign(low=[low for low, _ in ends], high=[high for _, high in ends])


def least_recognized(said: pd.DataFrame) -> pd.Index:
    """The labels of lowest recall.

    They are the lowest, and those whose 95 % confidence interval includes the lowest.
    """
    found = recalls(said)
    return found[found.low <= found.recall.min()].sort_values("recall").index


def contested(said: pd.DataFrame) -> tuple[float, float]:
    """How often the voters' majority differs from the label.

    The shares of misclassified faces and of the others, among faces with a majority.
    """
    said = said[said.majority != UNLABELLED]
    wrong, disagree = said.predicted != said.label, said.majority != said.label
    return float(disagree[wrong].mean()), float(disagree[~wrong].mean())


def clear_accuracies(said: pd.DataFrame) -> tuple[float, float]:
    """Accuracy against the majority and against the label, on faces with a majority."""
    said = said[said.majority != UNLABELLED]
    return float((said.predicted == said.majority).mean()), float((said.predicted == said.label).mean())
