"""Errors by expression: confusion, recall, and agreement with FER+'s voters."""

import numpy as np
import pandas as pd

from fer_utils.analysis.statistics import interval, predictions
from fer_utils.analysis.summary import final_measure, summarize
from fer_utils.data.faces import CLASSES, UNLABELLED
from fer_utils.data.load import load
from fer_utils.data.votes import majority
from fer_utils.training.metrics import labelled_part


def examples(table: pd.DataFrame) -> list[str]:
    """The models to show: smallest MobileNet, smallest plain CNN, largest model."""
    summary = summarize(table).sort_values("parameters")
    smallest = [summary[summary.family == family].model.head(1) for family in ("mobilenet", "cnn")]
    return list(dict.fromkeys([*pd.concat(smallest), *summary.model.tail(1)]))


def predictions_of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The predictions of a model's first seed on the test faces."""
    run = table[table.model == model].sort_values("seed").run.iloc[0]
    found = predictions(run)
    return found[found.part == final_measure(table)].reset_index(drop=True)


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


def voted(table: pd.DataFrame, data: str, ferplus: str) -> np.ndarray | None:
    """The class that most FER+ voters chose for each test face; -1 for none.

    "Most" means more than half. The order is that of `predictions_of`. None if the faces have no votes.
    """
    part = labelled_part(load(data, ferplus), final_measure(table))
    if part.votes is None:
        return None
    names = [f"{digest:016x}" for digest in part.digests]
    return majority(part.votes)[np.lexsort([part.labels, np.array(names)])]


def contested(said: pd.DataFrame, votes: np.ndarray) -> tuple[float, float]:
    """How often the voters' majority differs from the label.

    The shares of misclassified faces and of the others, among faces with a majority.
    """
    clear = votes != UNLABELLED
    wrong, disagree = (said.predicted != said.label).to_numpy(), votes != said.label.to_numpy()
    return float(disagree[clear & wrong].mean()), float(disagree[clear & ~wrong].mean())


def clear_accuracies(said: pd.DataFrame, votes: np.ndarray) -> tuple[float, float]:
    """Accuracy against the majority and against the label, on faces with a majority."""
    by_votes, by_label = said.predicted.to_numpy() == votes, (said.predicted == said.label).to_numpy()
    clear = votes != UNLABELLED
    return float(by_votes[clear].mean()), float(by_label[clear].mean())
