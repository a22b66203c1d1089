"""The answers to the four questions, in sentences whose every number is computed from a results table."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd

from fer_utils.data.faces import CLASSES, UNLABELLED
from fer_utils.models import matched
from fer_utils.report import failures
from fer_utils.report.analysis import (
    ORIGINAL,
    SAME_SIZE,
    STEPS,
    Comparison,
    anatomy,
    budgets,
    catch_up,
    compare,
    final_measure,
    matched_pairs,
    steps,
    summarize,
)
from fer_utils.report.costs import front
from fer_utils.report.display import Text, note
from fer_utils.report.figures import seed_shown
from fer_utils.report.language import sentences
from fer_utils.report.statistics import LEVEL
from fer_utils.training.recipe import RECIPES

Say = dict[str, str]


def _answer(table: pd.DataFrame, language: str, parts: Iterator[str]) -> Text:
    return Text("\n\n".join(parts), note(table, language))


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: the smallest and the largest model of the table, their size and their result."""
    return _answer(table, language, _architecture(table, sentences(language)))


def _architecture(table: pd.DataFrame, say: Say) -> Iterator[str]:
    summary, measure = summarize(table).sort_values("parameters"), final_measure(table)
    if len(summary) == 1:
        yield say["one_size"].format(name=summary.model.iloc[0])
        return
    pair = compare(table, summary.model.iloc[0], summary.model.iloc[-1], measure)
    slots = _slots(pair, say)
    yield say["size"].format(**slots)
    yield say["result"].format(**slots, verdict=_verdict(pair, say))
    original = ORIGINAL.set_index("model").PublicTest_accuracy
    both = [original.get(name) for name in (pair.first.model, pair.second.model)]
    if pd.notna(both).all():
        epochs = RECIPES["original"].epochs
        yield say["original_pair"].format(small_accuracy=both[0], large_accuracy=both[1], epochs=epochs)
    yield say["how_decided"].format(level=LEVEL)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: how accuracy on validation grows with the parameters of one family."""
    return _answer(table, language, _sweep(table, sentences(language)))


def _sweep(table: pd.DataFrame, say: Say) -> Iterator[str]:
    for _, runs in table.groupby("family", sort=False):
        yield from _growth(runs, say)


def _growth(table: pd.DataFrame, say: Say) -> Iterator[str]:
    """The growth within one family."""
    names = list(summarize(table).model)
    if len(names) == 1:
        yield say["one_size"].format(name=names[0])
        return
    ends = compare(table, names[0], names[-1], "validation")
    yield say["growth"].format(**_slots(ends, say), verdict=_verdict(ends, say))
    if len(names) > 2:
        pairs = [compare(table, a, b, "validation") for a, b in pairwise(names)]
        yield "\n".join("- " + say["step"].format(**_slots(pair, say), note=_doubt(pair, say)) for pair in pairs)


def comparison(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Question 4: MobileNets and plain CNNs of equal size, how far one must grow to reach the other, and why.

    `equals` is the table of the nets of equal size that differ in one thing at a time; it may have no rows.
    """
    return _answer(table, language, _comparison(table, equals, sentences(language)))


def _comparison(table: pd.DataFrame, equals: pd.DataFrame, say: Say) -> Iterator[str]:
    if not {"mobilenet", "cnn"} <= set(table.family):
        yield say["no_families"].format(names=say["comma"].join(summarize(table).model))
        return
    pairs = matched_pairs(table)
    percent = 100 * (SAME_SIZE - 1)
    if pairs:
        verdicts = [
            say["pair"].format(first=pair.first.model, second=pair.second.model, verdict=_verdict(pair, say))
            for pair in pairs
        ]
        measure = say[pairs[0].measure]
        yield say["pairs"].format(percent=percent, measure=measure, verdicts=say["semicolon"].join(verdicts))
    else:
        yield say["no_pairs"].format(percent=percent)
    if len(pairs) > 1:
        ordered = sorted(pairs, key=lambda pair: pair.difference.points)
        yield say["gap"].format(
            largest=ordered[-1].difference.points,
            at_largest=ordered[-1].first.parameters,
            smallest=ordered[0].difference.points,
            at_smallest=ordered[0].first.parameters,
        )
    yield _caught_up(table, say)
    if pairs:
        yield say["space"].join(_reasons(pairs[0], say, told_apart=bool(budgets(equals))))
    for budget in budgets(equals):
        yield _ablation(equals, budget, say)
    if budgets(equals):
        yield _equal_nets(equals, say)
    yield say["how_decided"].format(level=LEVEL)


def costs_and_failures(table: pd.DataFrame, language: str, data: str = "", ferplus: str = "") -> Text:
    """Question 4, the rest: what the nets cost, where they fail, and whether FER+'s voters agree with the label.

    `data` and `ferplus` are the paths of FER2013 and of FER+'s votes; without the second, nothing is said of voters.
    """
    return _answer(table, language, _costs_and_failures(table, sentences(language), data, ferplus))


def _costs_and_failures(table: pd.DataFrame, say: Say, data: str, ferplus: str) -> Iterator[str]:
    measure, summary, comma = final_measure(table), summarize(table), say["comma"]
    fronts = {
        cost: comma.join(summary.model.iloc[front(summary[cost], summary[f"{measure}_accuracy"])])
        for cost in ("parameters", "multiply_adds")
    }
    yield say["front"].format(measure=say[measure], **fronts)
    said = {model: failures.predictions_of(table, model) for model in failures.examples(table)}
    worst = {model: CLASSES[failures.recalls(answers).recall.idxmin()] for model, answers in said.items()}
    yield say["failures"].format(
        worst=comma.join(say["worst"].format(model=m, expression=say[w]) for m, w in worst.items()),
        measure=say[measure], seed=seed_shown(table, say),
    )  # fmt: skip
    if len(said) > 1:
        yield say["shared_errors"].format(**_shared_errors(said))
    if ferplus:
        votes = failures.voted(table, data, ferplus)
        yield say["ferplus"].format(faces=int((votes != UNLABELLED).sum()))
        yield "\n".join("- " + _voters(model, answers, votes, say) for model, answers in said.items())


def _voters(model: str, answers: pd.DataFrame, votes: np.ndarray, say: Say) -> str:
    wrong, right = failures.contested(answers, votes)
    accuracy = failures.ferplus_accuracy(answers, votes)
    return say["voters"].format(model=model, share=100 * wrong, right_share=100 * right, accuracy=accuracy)


def _shared_errors(said: dict[str, pd.DataFrame]) -> dict:
    """How many of the first net's errors the last one makes as well."""
    (model, first), *_, (other, last) = said.items()
    wrong, also = (answers.predicted != answers.label for answers in (first, last))
    others = int((wrong & also).sum())
    share = 100 * others / max(int(wrong.sum()), 1)
    return {"model": model, "other": other, "errors": int(wrong.sum()), "others": others, "share": share}


def _caught_up(table: pd.DataFrame, say: Say) -> str:
    best, cnn = catch_up(table)
    slots = {"best": best.model, "best_parameters": best.parameters, "measure": say["validation"]}
    if cnn is None:
        return say["no_catch_up"].format(**slots, largest=table[table.family == "cnn"].parameters.max())
    return say["catch_up"].format(
        **slots,
        cnn=cnn.model,
        cnn_parameters=cnn.parameters,
        ratio=cnn.parameters / best.parameters,
        verdict=_verdict(compare(table, cnn.model, best.model, "validation"), say),
    )


def _ablation(table: pd.DataFrame, budget: int, say: Say) -> str:
    """What each step from the plain CNN to the MobileNet is worth at a budget, and which is worth most."""
    pairs = steps(table, budget)
    whole = compare(table, pairs[-1].first.model, pairs[0].second.model, pairs[0].measure)
    told = [
        say["ablation_step"].format(what=say[what], points=pair.difference.points, note=_doubt(pair, say))
        for what, pair in zip(STEPS, pairs, strict=True)
    ]
    gains = {what: pair.difference.points for what, pair in zip(STEPS, pairs, strict=True) if pair.difference.decided}
    best = max(gains, key=gains.__getitem__) if gains else ""
    cause = say["ablation_cause"].format(what=say[best]) if gains.get(best, 0) > 0 else say["ablation_no_cause"]
    text = say["ablation"].format(
        budget=budget, total=whole.difference.points, measure=say[whole.measure], note=_doubt(whole, say),
        steps=say["semicolon"].join(told),
    )  # fmt: skip
    return text + say["space"] + cause


def _equal_nets(table: pd.DataFrame, say: Say) -> str:
    measure, verdicts = final_measure(table), []
    for budget in budgets(table):
        *_, cnn, _, net = matched.chain(budget)
        pair = compare(table, net, cnn, measure)
        verdicts.append(say["equal_net"].format(budget=budget, verdict=_verdict(pair, say)))
    return say["equal_nets"].format(measure=say[measure], verdicts=say["semicolon"].join(verdicts))


def _reasons(pair: Comparison, say: Say, told_apart: bool) -> Iterator[str]:
    """What the structures of two models of equal size have to do with the difference between them.

    `told_apart` says that nets which differ in one thing at a time follow.
    """
    net, cnn = anatomy(pair.first.model), anatomy(pair.second.model)
    plain, separable = 9 * net.widest**2, 9 * net.widest + net.widest**2
    names = {"net": pair.first.model, "cnn": pair.second.model}
    ahead = pair.difference.decided and pair.difference.points > 0
    opening = "structure" if told_apart else "ahead" if ahead else "behind"
    yield say[opening].format(epochs=pair.first.epochs, recipe=pair.first.recipe)
    yield say["why_block"].format(
        **names, width=net.widest, plain=plain, separable=separable, ratio=plain / separable,
        net_layers=net.convolutions, cnn_layers=cnn.convolutions,
    )  # fmt: skip
    yield say["why_head"].format(**names, net_share=100 * net.head_share, cnn_share=100 * cnn.head_share)
    if not told_apart:
        yield say["why_cost"].format(net_cost=net.multiply_adds / 1e6, cnn_cost=cnn.multiply_adds / 1e6)


def _slots(pair: Comparison, say: Say) -> dict:
    """What the sentences say of a smaller and a larger model."""
    slots: dict = {
        "measure": say[pair.measure],
        "points": 0.0 - pair.difference.points,
        "ratio": pair.second.parameters / pair.first.parameters,
    }
    for size, row in (("small", pair.first), ("large", pair.second)):
        slots |= {size: row.model, f"{size}_parameters": row.parameters, f"{size}_cost": row.multiply_adds / 1e6}
        slots |= {f"{size}_{what}": row[f"{pair.measure}_{what}"] for what in ("accuracy", "low", "high")}
    return slots


def _verdict(pair: Comparison, say: Say) -> str:
    found = pair.difference
    if found.points == 0:
        return say["tie"].format(low=found.interval[0], high=found.interval[1])
    better, sign = (pair.first, 1) if found.points > 0 else (pair.second, -1)
    low, high = sorted(sign * end for end in found.interval)
    key = "better" if found.decided else "undecided"
    return say[key].format(name=better.model, points=abs(found.points), low=low, high=high)


def _doubt(pair: Comparison, say: Say) -> str:
    return "" if pair.difference.decided else say["step_undecided"]
