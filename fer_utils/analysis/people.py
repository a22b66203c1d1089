"""How many people is a network worth? Networks, FER2013's label and people against five held-out voters."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from fer_utils.analysis.statistics import LEVEL, RESAMPLES, Difference, predictions
from fer_utils.analysis.summary import final_measure
from fer_utils.data.faces import UNLABELLED
from fer_utils.data.people import Panel, has_panel, panel, worth
from fer_utils.data.votes import BALLOT, VOTE_CLASSES
from fer_utils.errors import InputError
from fer_utils.models.bundled import DATA_OF_TARGET
from fer_utils.training.metrics import PROBABILITY_COLUMN, score, score_votes, votes_of

CHOSEN_BY = {"labels": "validation_accuracy", "votes": "validation_votes_accuracy"}  # a network is chosen by these
LABEL = "label"
GROUPS = 6  # of faces, by the voters' entropy


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """The best run of each model and target on validation, with its name, such as `compact-46k.ferplus`."""
    table, best = table.reset_index(drop=True), []
    for target, column in CHOSEN_BY.items():
        runs = table[table.target == target]
        if column in runs and len(runs := runs.dropna(subset=column)):
            best.append(runs.loc[runs.groupby("model")[column].idxmax()])
    chosen = pd.concat(best) if best else table[:0]
    names = chosen.model + "." + chosen.target.map(DATA_OF_TARGET)
    return chosen.assign(network=names).sort_values(["target", "parameters"], ignore_index=True)


def best_networks(table: pd.DataFrame, said: Collection[str]) -> list[str]:
    """Of the networks in `said`, the best of each target on validation: from labels first, then from votes."""
    chosen = networks(table)[lambda rows: rows.network.isin(said)]
    groups = ((chosen[chosen.target == target], column) for target, column in CHOSEN_BY.items())
    return [rows.network[rows[column].idxmax()] for rows, column in groups if len(rows)]


def answers_of(table: pd.DataFrame, *, clear: bool = True) -> dict[str, pd.DataFrame]:
    """The predictions of each network (`networks`) on the test faces that have ten votes and, if `clear`, a majority.

    Networks that answered other faces than the first one of the table are left out.
    """
    chosen, measure, said = networks(table), final_measure(table), {}
    for name, run in chosen[["network", "run"]].itertuples(index=False):
        if (found := _with_panel(predictions(run, measure), clear=clear)) is not None:
            said[name] = found
    order = chosen.set_index("network").run.map(list(table.run).index)
    first = min(said, key=lambda name: order[name], default=None)
    return {name: answers for name, answers in said.items() if answers.face.equals(said[first].face)}


def _with_panel(answers: pd.DataFrame, *, clear: bool = True) -> pd.DataFrame | None:
    """The faces with ten votes and, if `clear`, a majority; None if there are none."""
    votes = votes_of(answers)
    if votes is None:
        return None
    found = answers[has_panel(votes) & (answers.majority != UNLABELLED if clear else True)]
    return found.reset_index(drop=True) if len(found) else None


def voters_of(said: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, Panel]:
    """The faces that all networks answered, and the panel of their voters.

    Raises `InputError` if the networks answered different faces.
    """
    (name, faces), *others = said.items()
    for other, answers in others:
        if not answers.face.equals(faces.face):
            raise InputError(f"{name} and {other} were not evaluated on the same faces. Evaluate both on the same data")
    votes = votes_of(faces)
    assert votes is not None, "answers_of leaves out networks without votes"
    return faces, panel(votes)


def agreements(said: Mapping[str, pd.DataFrame], *, deduplicated: bool = False) -> pd.DataFrame:
    """How often people, FER2013's label and networks agree with five held-out voters, and what that is worth.

    One row each, by name: `1`..`5` for people, `label`, and the networks. Columns: `agreement`, `people` (the number of
    people that agree as often, `data/people.py`), and the 95 % confidence intervals `agreement_low`..`agreement_high`
    and `people_low`..`people_high` (percentiles of a bootstrap over faces, the same for all rows). `deduplicated`
    leaves out faces that are also in Training; the table is empty if none are left.
    """
    faces, voters = voters_of(said)
    kept = ~faces.leaked.to_numpy() if deduplicated else np.ones(len(faces), bool)
    rows = {str(k + 1): column for k, column in enumerate(voters.people.T)}
    rows[LABEL] = voters.agreement(faces.label.to_numpy())
    rows |= {name: voters.agreement(answers.predicted.to_numpy()) for name, answers in said.items()}
    won = np.stack(list(rows.values()))[:, kept].T  # (faces, rows)
    if not len(won):
        return pd.DataFrame()
    people = slice(0, voters.people.shape[1])
    means, drawn = won.mean(0), _resampled(len(won)) @ won
    ends = [LEVEL / 2, 1 - LEVEL / 2]
    values = {"agreement": (means, drawn)}
    values["people"] = (worth(means, means[people]), worth(drawn, drawn[:, None, people]))
    found = pd.DataFrame(index=list(rows))
    for name, (value, samples) in values.items():
        found[name] = value
        found[[f"{name}_low", f"{name}_high"]] = np.quantile(samples, ends, axis=0, method="nearest").T
    return found


@lru_cache(2)
def _resampled(n: int) -> np.ndarray:
    """The shares `(RESAMPLES, n)` of n faces in samples with replacement: drawing them takes longer than their use."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n


def score_all(answers: pd.DataFrame) -> dict[str, Any]:
    """The scores on labels (`metrics.score`), and `votes` and `votes_without_leak`: those on votes, or None.

    They have per-class scores against the majority, the measures of `metrics.score_votes`, and the confidence intervals
    of `agreements`.
    """
    found: dict[str, Any] = score(answers)
    for name, rows in {"votes": answers, "votes_without_leak": answers[~answers.leaked]}.items():
        found[name] = score_votes(rows)
        if found[name] is None:
            continue
        found[name] |= {"per_class": score(rows, "majority")["per_class"]}
        if (clear := _with_panel(rows)) is not None:
            found[name] |= agreements({"network": clear}).loc["network"].to_dict()
    return found


def confusions(said: Mapping[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    """What one person (`1`) and networks answer where five voters see a class: shares `(8, 10)` of each row.

    Rows are the classes of `VOTE_CLASSES`, columns the answers of `BALLOT`.
    """
    _, voters = voters_of(said)
    counts = {"1": voters.one_person}
    for name, answers in said.items():
        counts[name] = voters.reference.T @ np.eye(len(BALLOT))[answers.predicted.to_numpy()]
    rows = len(VOTE_CLASSES)
    totals = voters.one_person[:rows].sum(1, keepdims=True)
    return {name: table[:rows] / np.where(totals > 0, totals, 1) for name, table in counts.items()}


def doubts(said: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The entropy of each network's probabilities against that of the votes for its classes, in bits.

    Faces are in groups by the voters' entropy, of unequal size, since many faces tie. Columns: `network`, `voters` and
    `entropy` (the means of a group), and `correlation` (Spearman's, over all faces).
    """
    faces, _ = voters_of(said)
    votes = votes_of(faces)
    assert votes is not None, "voters_of needs votes"
    counts = votes[:, : len(VOTE_CLASSES)]
    theirs = _entropy(counts / counts.sum(1, keepdims=True))
    groups = pd.qcut(theirs, GROUPS, labels=False, duplicates="drop")
    rows = []
    for name, answers in said.items():
        own = _entropy(answers.filter(regex=f"^{PROBABILITY_COLUMN.format('')}").to_numpy())
        means = pd.DataFrame({"voters": theirs, "entropy": own}).groupby(groups).mean()
        rows.append(means.assign(network=name, correlation=spearmanr(theirs, own).statistic))
    return pd.concat(rows, ignore_index=True)


def _entropy(shares: np.ndarray) -> np.ndarray:
    """The entropy of distributions `(N, C)` in bits."""
    return -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(1)


def gains(small: pd.DataFrame, large: pd.DataFrame) -> dict[str, float]:
    """What one network gains over another, in percentage points of all faces.

    `labels` is the gain of accuracy on labels, the sum of `seen`, on faces whose label is what most voters see, and
    `unseen`, on the others. `people` is the gain of agreement with five held-out voters, with its 95 % confidence
    interval `low`..`high`.
    """
    faces, voters = voters_of({"small": small, "large": large})
    change = 100 * ((large.predicted == faces.label).astype(float) - (small.predicted == faces.label))
    seen = faces.label == faces.majority
    lead = Difference(*(voters.agreement(each.predicted.to_numpy())[None] for each in (large, small)))
    return {
        "labels": float(change.mean()),
        "seen": float(change[seen].sum() / len(faces)),
        "unseen": float(change[~seen].sum() / len(faces)),
        "people": lead.points,
        "low": lead.interval[0],
        "high": lead.interval[1],
    }
