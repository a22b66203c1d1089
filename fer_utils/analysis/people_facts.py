"""Facts for `people.md` and `people_discussion.md`: what a label, a person and each network are worth."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fer_utils.analysis import people
from fer_utils.analysis.summary import final_measure
from fer_utils.data.faces import CLASSES
from fer_utils.data.people import ODD
from fer_utils.data.votes import VOTE_CLASSES

FEW_FACES = 100  # of a class, below which its recall is uncertain
NEUTRAL = CLASSES.index("neutral")


def people_facts(table: pd.DataFrame) -> dict[str, Any]:
    """Facts for `people.md` and `people_discussion.md`; `votes` is false if the faces have none."""
    said = people.answers_of(table)
    if not said:
        return {"votes": False}
    faces, _ = people.voters_of(said)
    every, deduplicated = people.agreements(said), people.agreements(said, deduplicated=True)
    chosen = people.networks(table).set_index("network").loc[list(said)]
    best = people.best_networks(table, said)
    counts = np.bincount(faces.majority, minlength=len(VOTE_CLASSES))
    doubts = people.doubts({name: said[name] for name in best}).groupby("network", sort=False)
    return {
        "votes": True,
        "measure": final_measure(table),
        "faces": len(faces),
        "seen": float((faces.label == faces.majority).mean()),
        "people": [{"count": k, "agreement": every.agreement[str(k)]} for k in ODD],
        "fer2013_label": _worth(every, people.LABEL),
        "groups": [_group(str(target), rows, every) for target, rows in chosen.groupby("target", sort=False)],
        "best": _network(best[-1], chosen, every),
        "best_deduplicated": _worth(deduplicated, best[-1]) if len(deduplicated) else None,
        "small": _small(said, chosen, every, best[-1]),
        "unclear": _unclear(people.answers_of(table, clear=False), best[-1]),
        "growth": _growth(said, chosen),
        "neutral": [{"name": name, "recall": share} for name, share in _neutral(said, best).items()],
        "doubts": [{"name": name, "correlation": rows.correlation.iloc[0]} for name, rows in doubts],
        "rare": [{"name": VOTE_CLASSES[i], "faces": int(n)} for i, n in enumerate(counts) if 0 < n < FEW_FACES],
    }


def _worth(table: pd.DataFrame, name: str) -> dict[str, Any]:
    return {"name": name} | table.loc[name].to_dict()


def _network(name: str, chosen: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    return _worth(table, name) | {"parameters": int(chosen.parameters[name])}


def _group(target: str, rows: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
    """The networks of a target that agree least and most with people."""
    agreement = table.agreement[rows.index]
    ends = {"least": agreement.idxmin(), "most": agreement.idxmax()}
    networks = {end: _network(name, rows, table) for end, name in ends.items()}
    learns_more = target == "labels" and agreement.min() > table.agreement[people.LABEL]
    return {"target": target, "count": len(rows), "learns_more": learns_more} | networks


def _small(
    said: Mapping[str, pd.DataFrame], chosen: pd.DataFrame, table: pd.DataFrame, best: str
) -> dict[str, Any] | None:
    """The smallest network of the best one's target, and the difference between the two in points; None if it is it."""
    small = chosen.parameters[chosen.target == chosen.target[best]].idxmin()
    if small == best:
        return None
    ratio = chosen.parameters[best] / chosen.parameters[small]
    gains = people.gains(said[small], said[best])
    return _network(small, chosen, table) | {
        "ratio": ratio,
        "gain": {key: gains[key] for key in ("people", "low", "high")},
    }


def _unclear(said: Mapping[str, pd.DataFrame], best: str) -> dict[str, Any]:
    """The best network and five people on all faces with ten votes, also on those without a majority."""
    table = people.agreements(said)
    return {"faces": len(said[best]), "five": table.agreement[str(ODD[-1])]} | _worth(table, best)


def _growth(said: Mapping[str, pd.DataFrame], chosen: pd.DataFrame) -> dict[str, Any] | None:
    """The gains from the least to the most accurate network from labels on validation; None for less than two."""
    labels = chosen[chosen.target == "labels"].sort_values("validation_accuracy")
    if len(labels) < 2:
        return None
    small, large = labels.index[0], labels.index[-1]
    return people.gains(said[small], said[large]) | {"worse": small, "better": large}


def _neutral(said: Mapping[str, pd.DataFrame], names: Iterable[str]) -> dict[str, float]:
    """The share of the faces that people call neutral for which one person (`1`) and some networks say so."""
    shares = people.confusions({name: said[name] for name in names})
    return {name: float(share[NEUTRAL, NEUTRAL]) for name, share in shares.items()}
