"""The answers to questions 1 to 3, in sentences whose every number is computed from a results table.

Question 4 has a module of its own, `comparison`.
"""

from collections.abc import Iterator
from itertools import pairwise

import pandas as pd

from fer_utils.report.analysis import Comparison, compare, final_measure, original, summarize
from fer_utils.report.display import Text, minus, note
from fer_utils.report.language import Say, sentences
from fer_utils.report.statistics import LEVEL
from fer_utils.training.recipe import RECIPES


def answer(table: pd.DataFrame, language: str, parts: Iterator[str]) -> Text:
    """The paragraphs of an answer as one text, with the note that its results need."""
    return Text(minus("\n\n".join(parts)), note(table, language))


def taught(table: pd.DataFrame, say: Say) -> Iterator[str]:
    """That all nets of a table learned from others, where they did."""
    if table.teachers.all():
        yield say["taught"].format(count=table.teachers.iloc[0].count(" + ") + 1)


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: the smallest and the largest model of the table, their size and their result."""
    return answer(table, language, _architecture(table, sentences(language)))


def _architecture(table: pd.DataFrame, say: Say) -> Iterator[str]:
    summary, measure = summarize(table).sort_values("parameters"), final_measure(table)
    if len(summary) == 1:
        yield say["one_size"].format(name=summary.model.iloc[0])
        return
    pair = compare(table, summary.model.iloc[0], summary.model.iloc[-1], measure)
    slots = _slots(pair, say)
    yield say["size"].format(**slots)
    yield say["result"].format(**slots, verdict=verdict(pair, say))
    both = [original(table).PublicTest_accuracy.get(name) for name in (pair.first.model, pair.second.model)]
    if pd.notna(both).all():
        epochs = RECIPES["original"].epochs
        yield say["original_pair"].format(small_accuracy=both[0], large_accuracy=both[1], epochs=epochs)
    yield from taught(table, say)
    yield say["how_decided"].format(level=LEVEL)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: how accuracy on validation grows with the parameters of one family."""
    return answer(table, language, _sweep(table, sentences(language)))


def _sweep(table: pd.DataFrame, say: Say) -> Iterator[str]:
    for _, runs in table.groupby("family", sort=False):
        yield from _growth(runs, say)
    yield from taught(table, say)


def _growth(table: pd.DataFrame, say: Say) -> Iterator[str]:
    """The growth within one family."""
    names = list(summarize(table).model)
    if len(names) == 1:
        yield say["one_size"].format(name=names[0])
        return
    ends = compare(table, names[0], names[-1], "validation")
    yield say["growth"].format(**_slots(ends, say), verdict=verdict(ends, say))
    if len(names) > 2:
        pairs = [compare(table, a, b, "validation") for a, b in pairwise(names)]
        yield "\n".join("- " + say["step"].format(**_slots(pair, say), note=doubt(pair, say)) for pair in pairs)
    summary = summarize(table)
    theirs = summary.model.map(original(table).validation_accuracy)
    if theirs.notna().all():
        aside = 100 * (summary.validation_accuracy - theirs)
        values = say["comma"].join(map("{:.3f}".format, theirs))
        yield say["original_growth"].format(values=values, low=aside.min(), high=aside.max())


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


def verdict(pair: Comparison, say: Say) -> str:
    """Which of two models is better, by how much and how surely."""
    found = pair.difference
    if found.points == 0:
        return say["tie"].format(low=found.interval[0], high=found.interval[1])
    better, sign = (pair.first, 1) if found.points > 0 else (pair.second, -1)
    low, high = sorted(sign * end for end in found.interval)
    key = "better" if found.decided else "undecided"
    return say[key].format(name=better.model, points=abs(found.points), low=low, high=high)


def doubt(pair: Comparison, say: Say) -> str:
    """The mark of a difference that the data do not decide, or nothing."""
    return "" if pair.difference.decided else say["step_undecided"]
