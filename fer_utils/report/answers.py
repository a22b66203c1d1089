"""The answers to the four questions, in sentences whose every number is computed from a results table."""

from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from fer_utils.errors import unknown
from fer_utils.report.analysis import (
    ORIGINAL,
    SAME_SIZE,
    Comparison,
    anatomy,
    catch_up,
    compare,
    final_measure,
    matched_pairs,
    summarize,
)
from fer_utils.report.display import Text, is_demo
from fer_utils.training.recipe import RECIPES

# One place holds every sentence, by language and key; the slots are the same in all languages.
SENTENCES = {
    "en": {
        "size": (
            "**{small} has {small_parameters:,} trainable parameters, {large} {large_parameters:,}, {ratio:.1f} "
            "times as many.** To read one face they take {small_cost:.1f} and {large_cost:.1f} million "
            "multiply-adds."
        ),
        "result": (
            "On {measure}, {small} reaches {small_accuracy:.3f} ({small_low:.3f} to {small_high:.3f}) and "
            "{large} {large_accuracy:.3f} ({large_low:.3f} to {large_high:.3f}): {verdict}."
        ),
        "original_pair": (
            "The original report has {small_accuracy:.3f} and {large_accuracy:.3f} on FER2013's PublicTest, after "
            "{epochs} epochs."
        ),
        "better": "{name} is {points:.1f} points better",
        "undecided": (
            "the data do not decide, since the 95 % intervals overlap ({name} is ahead by {points:.1f} points)"
        ),
        "tie": "the two are equal",
        "growth": (
            "**From {small} ({small_parameters:,} parameters) to {large} ({large_parameters:,}) the accuracy on "
            "{measure} changes by {points:+.1f} points, from {small_accuracy:.3f} to {large_accuracy:.3f}: "
            "{verdict}.**"
        ),
        "one_size": "Only {name} was trained: one size alone says nothing about growth.",
        "step": "{small} to {large}, {ratio:.2f} times the parameters: {points:+.1f} points{note}.",
        "step_undecided": " (undecided)",
        "pairs": "**Equal in size** (within {percent:.0f} %): {verdicts}.",
        "pair": "{first} against {second}, {verdict}",
        "no_pairs": "No MobileNet here has a plain CNN of its size beside it (within {percent:.0f} %).",
        "gap": (
            "MobileNet minus CNN, the difference is greatest at about {at_largest:,} parameters ({largest:+.1f} "
            "points) and least at about {at_smallest:,} ({smallest:+.1f} points)."
        ),
        "catch_up": (
            "**Catching up:** the smallest plain CNN that is at least as accurate as {best} ({best_parameters:,} "
            "parameters, the best MobileNet) is {cnn}, with {cnn_parameters:,}, {ratio:.1f} times as many: {verdict}."
        ),
        "no_catch_up": (
            "**Catching up:** no plain CNN here, up to {largest:,} parameters, is as accurate as {best} "
            "({best_parameters:,} parameters)."
        ),
        "no_families": "A comparison takes MobileNets and plain CNNs; here are only {names}.",
        "ahead": "**Why:** the block and the head explain a lead at equal size.",
        "behind": (
            "**Why:** the block and the head promise the MobileNet a lead; after {epochs} epochs of recipe "
            "{recipe} it shows none that the data decide, at the smallest size."
        ),
        "why_block": (
            "A plain 3x3 convolution from {width} to {width} channels takes {plain:,} weights, a separable one "
            "{separable:,}, {ratio:.1f} times fewer. So {net} affords {net_layers} layers of 3x3 filters where "
            "{cnn}, of the same size, has {cnn_layers}."
        ),
        "why_head": (
            "The fully connected layers hold {net_share:.0f} % of the parameters of {net}, and {cnn_share:.0f} % "
            "of those of {cnn}."
        ),
        "why_cost": (
            "The two differ in arithmetic as well ({net_cost:.1f} against {cnn_cost:.1f} million multiply-adds), "
            "in depth and in width, all at once; these runs alone cannot say which of the differences decides."
        ),
    }
}


def sentences(language: str) -> dict[str, str]:
    """The sentences of a language."""
    if language not in SENTENCES:
        raise unknown("language", language, SENTENCES)
    return SENTENCES[language]


def _answer(table: pd.DataFrame, parts: Iterator[str]) -> Text:
    return Text("\n\n".join(parts), is_demo(table))


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: the smallest and the largest model of the table, their size and their result."""
    return _answer(table, _architecture(table, sentences(language)))


def _architecture(table: pd.DataFrame, say: dict[str, str]) -> Iterator[str]:
    summary, measure = summarize(table).sort_values("parameters"), final_measure(table)
    if len(summary) == 1:
        yield say["one_size"].format(name=summary.model.iloc[0])
        return
    pair = compare(summary, summary.model.iloc[0], summary.model.iloc[-1], measure)
    slots = _slots(pair)
    yield say["size"].format(**slots)
    yield say["result"].format(**slots, verdict=_verdict(pair, say))
    original = ORIGINAL.set_index("model").PublicTest_accuracy
    both = [original.get(name) for name in (pair.first.model, pair.second.model)]
    if pd.notna(both).all():
        epochs = RECIPES["original"].epochs
        yield say["original_pair"].format(small_accuracy=both[0], large_accuracy=both[1], epochs=epochs)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: how accuracy on validation grows with the parameters of one family."""
    return _answer(table, _sweep(table, sentences(language)))


def _sweep(table: pd.DataFrame, say: dict[str, str]) -> Iterator[str]:
    for _, summary in summarize(table).groupby("family", sort=False):
        yield from _growth(summary, say)


def _growth(summary: pd.DataFrame, say: dict[str, str]) -> Iterator[str]:
    """The growth within one family, from a summary in order of size."""
    names = list(summary.model)
    if len(names) == 1:
        yield say["one_size"].format(name=names[0])
        return
    ends = compare(summary, names[0], names[-1], "validation")
    yield say["growth"].format(**_slots(ends), verdict=_verdict(ends, say))
    if len(names) > 2:
        steps = [compare(summary, a, b, "validation") for a, b in pairwise(names)]
        yield "\n".join(
            "- " + say["step"].format(**_slots(step), note="" if step.decided else say["step_undecided"])
            for step in steps
        )


def comparison(table: pd.DataFrame, language: str) -> Text:
    """Question 4: MobileNets and plain CNNs of equal size, how far one must grow to reach the other, and why."""
    return _answer(table, _comparison(table, sentences(language)))


def _comparison(table: pd.DataFrame, say: dict[str, str]) -> Iterator[str]:
    summary = summarize(table)
    if not {"mobilenet", "cnn"} <= set(summary.family):
        yield say["no_families"].format(names=", ".join(summary.model))
        return
    pairs = matched_pairs(summary)
    percent = 100 * (SAME_SIZE - 1)
    if pairs:
        verdicts = [
            say["pair"].format(first=pair.first.model, second=pair.second.model, verdict=_verdict(pair, say))
            for pair in pairs
        ]
        yield say["pairs"].format(percent=percent, verdicts="; ".join(verdicts))
    else:
        yield say["no_pairs"].format(percent=percent)
    if len(pairs) > 1:
        ordered = sorted(pairs, key=lambda pair: pair.points)
        yield say["gap"].format(
            largest=ordered[-1].points,
            at_largest=ordered[-1].first.parameters,
            smallest=ordered[0].points,
            at_smallest=ordered[0].first.parameters,
        )
    yield _caught_up(summary, say)
    if pairs:
        yield " ".join(_reasons(pairs[0], say))


def _caught_up(summary: pd.DataFrame, say: dict[str, str]) -> str:
    best, cnn = catch_up(summary)
    slots = {"best": best.model, "best_parameters": best.parameters}
    if cnn is None:
        return say["no_catch_up"].format(**slots, largest=summary[summary.family == "cnn"].parameters.max())
    return say["catch_up"].format(
        **slots,
        cnn=cnn.model,
        cnn_parameters=cnn.parameters,
        ratio=cnn.parameters / best.parameters,
        verdict=_verdict(Comparison(cnn, best, "validation"), say),
    )


def _reasons(pair: Comparison, say: dict[str, str]) -> Iterator[str]:
    """What the structures of two models of equal size have to do with the difference between them."""
    net, cnn = anatomy(pair.first.model), anatomy(pair.second.model)
    plain, separable = 9 * net.widest**2, 9 * net.widest + net.widest**2
    names = {"net": pair.first.model, "cnn": pair.second.model}
    ahead = pair.decided and pair.points > 0
    yield say["ahead" if ahead else "behind"].format(epochs=pair.first.epochs, recipe=pair.first.recipe)
    yield say["why_block"].format(
        **names, width=net.widest, plain=plain, separable=separable, ratio=plain / separable,
        net_layers=net.convolutions, cnn_layers=cnn.convolutions,
    )  # fmt: skip
    yield say["why_head"].format(**names, net_share=100 * net.head_share, cnn_share=100 * cnn.head_share)
    yield say["why_cost"].format(net_cost=net.multiply_adds / 1e6, cnn_cost=cnn.multiply_adds / 1e6)


def _slots(pair: Comparison) -> dict:
    """What the sentences say of a smaller and a larger model."""
    slots: dict = {
        "measure": pair.measure,
        "points": 0.0 - pair.points,
        "ratio": pair.second.parameters / pair.first.parameters,
    }
    for size, row in (("small", pair.first), ("large", pair.second)):
        slots |= {size: row.model, f"{size}_parameters": row.parameters, f"{size}_cost": row.multiply_adds / 1e6}
        slots |= {f"{size}_{what}": row[f"{pair.measure}_{what}"] for what in ("accuracy", "low", "high")}
    return slots


def _verdict(pair: Comparison, say: dict[str, str]) -> str:
    if pair.points == 0:
        return say["tie"]
    better = pair.first if pair.points > 0 else pair.second
    return say["better" if pair.decided else "undecided"].format(name=better.model, points=abs(pair.points))
