"""Facts for the report's templates: numbers and names, without language."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from fer_utils.analysis.comparisons import Comparison, anatomy, compare
from fer_utils.analysis.published import original
from fer_utils.analysis.summary import Results, stated_measures

Facts = dict[str, Any]


def architecture_facts(table: pd.DataFrame) -> Facts:
    """Facts for `architecture.md` and `architecture_discussion.md`."""
    results = Results(table)
    names, measure = list(results.summary.sort_values("parameters").model), results.measure
    pair = compare(results, names[-1], names[0], measure)
    ends = names[0], names[-1]
    theirs = [original(table).PublicTest_accuracy.get(name) for name in ends]
    known = len(names) > 1 and pd.notna(theirs).all()
    return {
        **_growth(pair),
        "models": names,
        "measure": measure,
        "mac_ratio": pair.first.multiply_adds / pair.second.multiply_adds,
        "also": also(results, names[-1], names[0], [measure]),
        "original": dict(zip(("small", "large"), theirs, strict=True)) if known else None,
        "heads": [{"model": name, "share": anatomy(name).head_share} for name in dict.fromkeys(ends)],
    }


def sweep_facts(table: pd.DataFrame) -> Facts:
    """Facts for `sweep.md` and `sweep_discussion.md`."""
    return {"families": [_family(rows) for _, rows in table.groupby("family", sort=False)]}


def _family(table: pd.DataFrame) -> Facts:
    """How accuracy grows within one family."""
    results = Results(table)
    summary = results.summary
    names = list(summary.model)
    theirs = summary.model.map(original(table).validation_accuracy)
    ahead = 100 * (summary.validation_accuracy - theirs)
    known = {"accuracies": list(theirs), "low": ahead.min(), "high": ahead.max()}
    growth = [_growth(compare(results, large, small, "validation")) for small, large in pairwise(names)]
    return {
        **_growth(compare(results, names[-1], names[0], "validation")),
        "also": also(results, names[-1], names[0], ["validation"]),
        "models": names,
        "steps": [
            each | {"small": small, "large": large}
            for each, (small, large) in zip(growth, pairwise(names), strict=True)
        ],
        "significant_steps": sum(each["difference"]["significant"] for each in growth),
        "original": known if theirs.notna().all() else None,
    }


def _growth(pair: Comparison) -> Facts:
    """A large model, the first of the pair, against a small one."""
    return {
        "small": _model(pair.second, pair.measure),
        "large": _model(pair.first, pair.measure),
        "ratio": pair.first.parameters / pair.second.parameters,
        "difference": difference(pair),
    }


def _model(row: pd.Series, measure: str) -> Facts:
    numbers = {name: row[f"{measure}_{name}"] for name in ("accuracy", "low", "high")}
    return {"model": row.model, "parameters": row.parameters, "macs": row.multiply_adds, **numbers}


def difference(pair: Comparison) -> Facts:
    """The difference in points, the better model, and its lead with the interval."""
    found = pair.difference
    sign, better = (1, pair.first) if found.points >= 0 else (-1, pair.second)
    low, high = sorted(sign * end for end in found.interval)
    return {
        "points": found.points,
        "better": better.model,
        "lead": abs(found.points),
        "low": low,
        "high": high,
        "significant": found.decided,
    }


def also(results: Results, first: str, second: str, but: Sequence[str]) -> list[Facts]:
    """Two models compared on the stated measures, without some."""
    measures = [measure for measure in stated_measures(results.table) if measure not in but]
    pairs = [compare(results, first, second, measure) for measure in measures]
    return [{"measure": pair.measure, "difference": difference(pair)} for pair in pairs]
