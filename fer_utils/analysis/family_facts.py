"""Facts for question 4: MobileNets against plain CNNs, the ablation, costs and errors."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fer_utils.analysis import confusion
from fer_utils.analysis.comparisons import (
    PARTS,
    SAME_SIZE,
    STEPS,
    Comparison,
    anatomy,
    budgets,
    caught_up,
    compare,
    matched_pairs,
    parts,
    steps,
)
from fer_utils.analysis.costs import front
from fer_utils.analysis.facts import Facts, also, difference
from fer_utils.analysis.published import original
from fer_utils.analysis.summary import Results, run_seeds, shown_seed, stated_measures
from fer_utils.data.faces import CLASSES, UNLABELLED
from fer_utils.models import matched


def families_facts(table: pd.DataFrame, equals: pd.DataFrame) -> Facts:
    """Facts for `families.md` and `families_discussion.md`."""
    results, ablation = Results(table), bool(budgets(equals))
    summary = results.summary
    facts: Facts = {"models": list(summary.model), "comparable": {"mobilenet", "cnn"} <= set(table.family)}
    if not facts["comparable"]:
        return facts
    pairs = {measure: found for measure in stated_measures(table) if (found := matched_pairs(results, measure))}
    final = next(iter(pairs.values()), [])
    return {
        **facts,
        "tallies": [_tally(measure, found) for measure, found in pairs.items()],
        "run_seeds": run_seeds(summary),
        "mac_ratios": [pair.first.multiply_adds / pair.second.multiply_adds for pair in final],
        "percent": _mismatch(final) if final else 100 * (SAME_SIZE - 1),
        "original_leads": _original_leads(final, table),
        "catch_up": _catch_up(results),
        "original_catch_up": _original_catch_up(results),
        "structure": _structure(final[0]) if final else None,
        "ablation": _ablation(equals) if ablation else None,
        **_trained(table),
    }


def costs_facts(table: pd.DataFrame) -> Facts:
    """Facts for `costs_discussion.md`."""
    results = Results(table)
    measure, summary = results.measure, results.summary
    said = {model: confusion.predictions_of(table, model) for model in confusion.examples(table)}
    return {
        "measure": measure,
        "seed": shown_seed(table),
        "front": {
            cost: list(summary.model.iloc[front(summary[cost], summary[f"{measure}_accuracy"])])
            for cost in ("parameters", "multiply_adds")
        },
        "worst": _worst(said),
        "shared": _shared_errors(said) if len(said) > 1 else None,
        "votes": _votes(said),
    }


def _trained(table: pd.DataFrame) -> Facts:
    """Whether all models were trained alike, and their number of teachers; 0 if some had others or none."""
    same = len(table.teachers.unique()) == 1 and bool(table.teachers.iloc[0])
    return {
        "alike": len(table[["recipe", "epochs", "teachers", "start"]].drop_duplicates()) == 1,
        "teachers": table.teachers.iloc[0].count(" + ") + 1 if same else 0,
    }


def _mismatch(pairs: Sequence[Comparison]) -> float:
    """The largest difference in parameters between the networks of a pair, in percent of the smaller one."""
    sizes = [sorted([pair.first.parameters, pair.second.parameters]) for pair in pairs]
    return float(max(100 * (large / small - 1) for small, large in sizes))


def _tally(measure: str, pairs: Sequence[Comparison]) -> Facts:
    """How often each of a pair is significantly better, and the range of the differences in points."""
    points = [pair.difference.points for pair in pairs]
    signs = [np.sign(pair.difference.points) * pair.difference.decided for pair in pairs]
    return {
        "measure": measure,
        "pairs": len(pairs),
        "better": signs.count(1),
        "worse": signs.count(-1),
        "low": min(points),
        "high": max(points),
    }


def _original_leads(pairs: Sequence[Comparison], table: pd.DataFrame) -> list[float] | None:
    """The leads of the MobileNets in the original report, in points.

    None if the report lacks one of the models.
    """
    values = original(table).validation_accuracy
    leads = [100 * (values.get(pair.first.model, np.nan) - values.get(pair.second.model, np.nan)) for pair in pairs]
    return leads if pd.notna(leads).all() else None


def _catch_up(results: Results) -> Facts:
    best, cnn, smaller = caught_up(results.summary)
    facts = {"best": best.model, "best_parameters": best.parameters}
    if cnn is None:
        cnns = results.summary[results.summary.family == "cnn"]
        largest = cnns.loc[cnns.parameters.idxmax()]
        return facts | {
            "cnn": None,
            "largest": largest.model,
            "ratio": largest.parameters / best.parameters,
            "differences": also(results, largest.model, best.model, []),
        }
    return facts | {
        "cnn": cnn.model,
        "parameters": cnn.parameters,
        "ratio": cnn.parameters / best.parameters,
        "difference": difference(compare(results, cnn.model, best.model, "validation")),
        "smaller": None
        if smaller is None
        else {
            "model": smaller.model,
            "parameters": smaller.parameters,
            "difference": difference(compare(results, best.model, smaller.model, "validation")),
        },
    }


def _original_catch_up(results: Results) -> Facts | None:
    """The smallest plain CNN that reaches the best MobileNet in the original report.

    None if the report lacks one of the models, or none reaches it.
    """
    known = original(results.table).validation_accuracy
    theirs = results.summary.assign(validation_accuracy=results.summary.model.map(known))
    if theirs[theirs.family.isin(["mobilenet", "cnn"])].validation_accuracy.isna().any():
        return None
    best, cnn, _ = caught_up(theirs)
    if cnn is None:
        return None
    return {"cnn": cnn.model, "best": best.model, "ratio": cnn.parameters / best.parameters}


def _structure(pair: Comparison) -> Facts:
    """The structures of a parameter-matched pair."""
    net, cnn = anatomy(pair.first.model), anatomy(pair.second.model)
    plain, separable = 9 * net.widest**2, 9 * net.widest + net.widest**2
    return {
        "width": net.widest,
        "plain": plain,
        "separable": separable,
        "saving": plain / separable,
        **{
            name: {
                "model": row.model,
                "convolutions": found.convolutions,
                "head_share": found.head_share,
            }
            for name, row, found in (("mobilenet", pair.first, net), ("cnn", pair.second, cnn))
        },
    }


def _ablation(table: pd.DataFrame) -> Facts:
    """The steps and parts of the ablation at every parameter budget."""
    results, at = Results(table), budgets(table)
    by_part = [parts(results, budget) for budget in at]
    by_step = zip(*(steps(results, budget) for budget in at), strict=True)
    ends = [(matched.chain(budget)[-1], matched.chain(budget)[0]) for budget in at]
    names = list(map(matched.thousands, at))
    effects = []
    for part in PARTS:
        found = [pairs[part].difference for pairs in by_part]
        for gain in (True, False):
            where = [
                name for name, each in zip(names, found, strict=True) if each.decided and (each.points > 0) == gain
            ]
            effects += [{"part": part, "gain": gain, "budgets": where}] if where else []
    with_effect = {effect["part"] for effect in effects}
    return {
        "budgets": names,
        "measure": results.measure,
        "total": [difference(compare(results, net, cnn, results.measure)) for net, cnn in ends],
        **{part: [difference(pairs[part]) for pairs in by_part] for part in PARTS},
        **{step: list(map(difference, pairs)) for step, pairs in zip(STEPS, by_step, strict=True)},
        "effects": effects,
        "without_effect": [part for part in PARTS if part not in with_effect],
        "pays": next((each["budgets"] for each in effects if each["part"] == "block_part" and each["gain"]), []),
    }


def _worst(said: Mapping[str, pd.DataFrame]) -> list[Facts]:
    """The classes recognized least, and the models of which this is true."""
    models: dict[tuple[str, ...], list[str]] = {}
    for model, answers in said.items():
        worst = tuple(CLASSES[label] for label in sorted(confusion.least_recognized(answers)))
        models.setdefault(worst, []).append(model)
    return [{"classes": list(classes), "models": names} for classes, names in models.items()]


def _shared_errors(said: Mapping[str, pd.DataFrame]) -> Facts:
    """The number of errors that the first and the last network share."""
    (model, first), *_, (other, last) = said.items()
    wrong, also = (answers.predicted != answers.label for answers in (first, last))
    errors, both = int(wrong.sum()), int((wrong & also).sum())
    return {"model": model, "other": other, "errors": errors, "both": both, "share": both / max(errors, 1)}


def _votes(said: Mapping[str, pd.DataFrame]) -> Facts | None:
    """Agreement of the voters' majority with the labels and with each network; None without votes."""
    models, faces = [], 0
    for model, answers in said.items():
        if "majority" not in answers:
            return None
        faces = int((answers.majority != UNLABELLED).sum())
        wrong, right = confusion.contested(answers)
        by_votes, by_label = confusion.clear_accuracies(answers)
        models.append({"model": model, "wrong": wrong, "right": right, "by_votes": by_votes, "by_label": by_label})
    return {"faces": faces, "models": models}
