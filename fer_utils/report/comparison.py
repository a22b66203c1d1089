"""The answer to question 4: MobileNets and plain CNNs of equal size, what makes the difference, and where nets fail."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from fer_utils.data.faces import CLASSES, UNLABELLED
from fer_utils.models import matched
from fer_utils.report import failures
from fer_utils.report.analysis import (
    PARTS,
    SAME_SIZE,
    Comparison,
    anatomy,
    budgets,
    caught_up,
    compare,
    final_measure,
    matched_pairs,
    original,
    parts,
    stated_measures,
    steps,
    summarize,
)
from fer_utils.report.answers import answer, doubt, taught, verdict
from fer_utils.report.costs import front
from fer_utils.report.display import Text
from fer_utils.report.figures import seed_shown, seeds
from fer_utils.report.language import Say, sentences
from fer_utils.report.statistics import LEVEL

SAME_SIZE_PERCENT = 100 * (SAME_SIZE - 1)


def families(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Question 4: MobileNets and plain CNNs of equal size, how far one must grow to reach the other, and why.

    `equals` is the table of the nets of equal size that differ in one thing at a time; it may have no rows.
    """
    return answer(table, language, _families(table, equals, sentences(language)))


def _families(table: pd.DataFrame, equals: pd.DataFrame, say: Say) -> Iterator[str]:
    if not {"mobilenet", "cnn"} <= set(table.family):
        yield say["no_families"].format(names=say["comma"].join(summarize(table).model))
        return
    pairs = {measure: matched_pairs(table, measure) for measure in stated_measures(table)}
    final = pairs[final_measure(table)]
    if short := [*_short_pairs(pairs, table, say), *(_short_parts(equals, say) if budgets(equals) else [])]:
        yield say["in_short"].format(short=say["space"].join(short))
    if final:
        yield from (_told_pairs(found, say) for found in pairs.values())
        yield from _original_pairs(final, table, say)
    else:
        yield say["no_pairs"].format(percent=SAME_SIZE_PERCENT)
    yield say["space"].join([_caught_up(table, say), *_original_catch_up(table, say)])
    if final:
        alone = [] if budgets(equals) else [say["why_alone"]]
        yield say["space"].join([*_structures(final[0], say), *alone])
    if budgets(equals):
        yield from _one_at_a_time(equals, say)
    for told in taught(table, say):
        yield told + (say["space"] + say["untaught"] if budgets(equals) else "")
    yield say["how_decided"].format(level=LEVEL)


def _told_pairs(pairs: list[Comparison], say: Say) -> str:
    """What each of the pairs comes to on their measure."""
    verdicts = [
        say["pair"].format(first=pair.first.model, second=pair.second.model, verdict=verdict(pair, say))
        for pair in pairs
    ]
    return say["pairs"].format(
        percent=SAME_SIZE_PERCENT, measure=say[pairs[0].measure], verdicts=say["semicolon"].join(verdicts)
    )


def _short_pairs(pairs: dict[str, list[Comparison]], table: pd.DataFrame, say: Say) -> Iterator[str]:
    """How many of the pairs are decided on each measure, and at what cost."""
    for measure, found in pairs.items():
        if found:
            signs = [np.sign(pair.difference.points) * pair.difference.decided for pair in found]
            counts = {what: signs.count(sign) for what, sign in (("better", 1), ("worse", -1), ("undecided", 0))}
            yield say["short_pairs"].format(
                measure=say[measure], pairs=len(found), seeds=seeds(summarize(table), say), **counts
            )
    if ratios := [pair.first.multiply_adds / pair.second.multiply_adds for pair in next(iter(pairs.values()))]:
        yield say["short_cost"].format(ratios=say["comma"].join(map("{:.1f}".format, ratios)))


def _short_parts(equals: pd.DataFrame, say: Say) -> Iterator[str]:
    """Which of the parts gain or lose, and at which budgets."""
    told, nothing = [], []
    at_budgets = {budget: parts(equals, budget) for budget in budgets(equals)}
    for part in PARTS:
        differences = {budget: found[part].difference for budget, found in at_budgets.items()}
        decided = {budget: difference for budget, difference in differences.items() if difference.decided}
        for key, sign in (("short_gain", 1), ("short_loss", -1)):
            if at := [
                matched.thousands(budget) for budget, difference in decided.items() if sign * difference.points > 0
            ]:
                told.append(say[key].format(part=say[part], budgets=say["comma"].join(at)))
        if not decided:
            nothing.append(say[part])
    if nothing:
        told.append(say["short_nothing"].format(parts=say["comma"].join(nothing)))
    yield say["short_parts"].format(told=say["semicolon"].join(told))


def _original_pairs(pairs: list[Comparison], table: pd.DataFrame, say: Say) -> Iterator[str]:
    """By how much the original's MobileNets lead its plain CNNs, where it has numbers of all of these."""
    values = original(table).validation_accuracy
    leads = [100 * (values.get(pair.first.model, np.nan) - values.get(pair.second.model, np.nan)) for pair in pairs]
    if pd.notna(leads).all():
        yield say["original_pairs"].format(points=say["comma"].join(map("{:+.1f}".format, leads)))


def costs_and_failures(table: pd.DataFrame, language: str, data: str = "", ferplus: str = "") -> Text:
    """Question 4, the rest: what the nets cost, where they fail, and whether FER+'s voters agree with the label.

    `data` and `ferplus` are the paths of FER2013 and of other votes than the bundled ones of FER+.
    """
    return answer(table, language, _costs_and_failures(table, sentences(language), data, ferplus))


def _costs_and_failures(table: pd.DataFrame, say: Say, data: str, ferplus: str) -> Iterator[str]:
    measure, summary, comma = final_measure(table), summarize(table), say["comma"]
    fronts = {
        cost: comma.join(summary.model.iloc[front(summary[cost], summary[f"{measure}_accuracy"])])
        for cost in ("parameters", "multiply_adds")
    }
    yield say["front"].format(measure=say[measure], **fronts)
    said = {model: failures.predictions_of(table, model) for model in failures.examples(table)}
    worst = [_worst(model, answers, say) for model, answers in said.items()]
    yield say["failures"].format(worst=comma.join(worst), measure=say[measure], seed=seed_shown(table, say))
    if len(said) > 1:
        yield say["shared_errors"].format(**_shared_errors(said))
    votes = failures.voted(table, data, ferplus) if data else None
    if votes is not None:
        yield say["ferplus"].format(faces=int((votes != UNLABELLED).sum()))
        yield "\n".join("- " + _voters(model, answers, votes, say) for model, answers in said.items())


def _worst(model: str, said: pd.DataFrame, say: Say) -> str:
    expressions = [say[CLASSES[label]] for label in failures.least_recognized(said)]
    return say["worst"].format(model=model, expressions=say["or"].join(expressions))


def _voters(model: str, answers: pd.DataFrame, votes: np.ndarray, say: Say) -> str:
    wrong, right = failures.contested(answers, votes)
    by_votes, by_label = failures.clear_accuracies(answers, votes)
    return say["voters"].format(
        model=model, share=100 * wrong, right_share=100 * right, accuracy=by_votes, label_accuracy=by_label
    )


def _shared_errors(said: dict[str, pd.DataFrame]) -> dict:
    """How many of the first net's errors the last one makes as well."""
    (model, first), *_, (other, last) = said.items()
    wrong, also = (answers.predicted != answers.label for answers in (first, last))
    others = int((wrong & also).sum())
    share = 100 * others / max(int(wrong.sum()), 1)
    return {"model": model, "other": other, "errors": int(wrong.sum()), "others": others, "share": share}


def _caught_up(table: pd.DataFrame, say: Say) -> str:
    best, cnn, smaller = caught_up(summarize(table))
    slots = {"best": best.model, "best_parameters": best.parameters, "measure": say["validation"]}
    if cnn is None:
        return say["no_catch_up"].format(**slots, largest=table[table.family == "cnn"].parameters.max())
    told = say["catch_up"].format(
        **slots,
        cnn=cnn.model,
        cnn_parameters=cnn.parameters,
        ratio=cnn.parameters / best.parameters,
        verdict=verdict(compare(table, cnn.model, best.model, "validation"), say),
    )
    if smaller is None:
        return told
    pair = compare(table, best.model, smaller.model, "validation")
    behind = say["next_smaller"].format(
        cnn=smaller.model, cnn_parameters=smaller.parameters, points=pair.difference.points, note=doubt(pair, say)
    )
    return told + say["space"] + behind


def _original_catch_up(table: pd.DataFrame, say: Say) -> Iterator[str]:
    """Which plain CNN is the first to reach the best MobileNet in the original's numbers, where it has them all."""
    theirs = summarize(table).assign(
        validation_accuracy=lambda ours: ours.model.map(original(table).validation_accuracy)
    )
    if theirs[theirs.family.isin(["mobilenet", "cnn"])].validation_accuracy.notna().all():
        best, cnn, _ = caught_up(theirs)
        if cnn is not None:
            yield say["original_catch_up"].format(
                cnn=cnn.model, best=best.model, ratio=cnn.parameters / best.parameters
            )


def _one_at_a_time(table: pd.DataFrame, say: Say) -> Iterator[str]:
    """What lies between a plain CNN and the MobileNet of equal size, part by part, at every budget."""
    at = budgets(table)
    found, single = [parts(table, budget) for budget in at], [steps(table, budget) for budget in at]
    ends = [(matched.chain(budget)[0], matched.chain(budget)[-1]) for budget in at]
    measure = final_measure(table)
    whole = [compare(table, net, cnn, measure) for cnn, net in ends]
    yield say["one_at_a_time"].format(
        budgets=say["comma"].join(map(matched.thousands, at)), measure=say[measure], total=_listed(whole, say)
    )
    slots = {part: _listed([pairs[part] for pairs in found], say) for part in PARTS}
    *_, block, width = (_listed(list(pairs), say) for pairs in zip(*single, strict=True))
    told = [say[f"told_{part}"].format(points=points, block=block, width=width) for part, points in slots.items()]
    yield "\n".join(f"- {line}" for line in told)
    pays = [budget for budget, pairs in zip(at, found, strict=True) if _gains(pairs["block_part"])]
    verdict_key = "saving_pays" if pays else "saving_does_not_pay"
    yield say[verdict_key].format(budgets=say["comma"].join(map(matched.thousands, pays)))


def _gains(pair: Comparison) -> bool:
    return pair.difference.decided and pair.difference.points > 0


def _listed(pairs: list[Comparison], say: Say) -> str:
    """The differences of some pairs, in points."""
    told = [say["points"].format(points=pair.difference.points, note=doubt(pair, say)) for pair in pairs]
    return say["comma"].join(told)


def _structures(pair: Comparison, say: Say) -> Iterator[str]:
    """How two models of equal size differ in structure."""
    net, cnn = anatomy(pair.first.model), anatomy(pair.second.model)
    plain, separable = 9 * net.widest**2, 9 * net.widest + net.widest**2
    names = {"net": pair.first.model, "cnn": pair.second.model}
    yield say["structure"]
    yield say["why_block"].format(
        **names, width=net.widest, plain=plain, separable=separable, ratio=plain / separable,
        net_layers=net.convolutions, cnn_layers=cnn.convolutions,
    )  # fmt: skip
    yield say["why_head"].format(**names, net_share=100 * net.head_share, cnn_share=100 * cnn.head_share)
    yield say["why_cost"].format(**names, net_cost=net.multiply_adds / 1e6, cnn_cost=cnn.multiply_adds / 1e6)
