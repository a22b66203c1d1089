"""The answers to the four questions, as prose."""

import pandas as pd

from fer_utils.analysis import facts
from fer_utils.report.language import render
from fer_utils.report.outputs import Text, note


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: the smallest and the largest model of the table, their size and their accuracy."""
    return _text("architecture", facts.architecture_facts(table), table, language)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: how accuracy on validation grows with the parameters, family by family."""
    return _text("sweep", facts.sweep_facts(table), table, language)


def families(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Question 4: parameter-matched MobileNets and plain CNNs, how far one must grow to reach the other, and why.

    `equals` is the table of the ablation, whose networks differ in one thing at a time; it may have no rows.
    """
    return _text("families", facts.families_facts(table, equals), table, language)


def costs(table: pd.DataFrame, language: str, data: str = "", ferplus: str = "") -> Text:
    """Question 4, the rest: what the networks cost, where they fail, and whether FER+'s voters agree with the label.

    `data` and `ferplus` are the paths of FER2013 and of other votes than the bundled ones of FER+.
    """
    return _text("costs", facts.costs_facts(table, data, ferplus), table, language)


def _text(name: str, said: facts.Facts, table: pd.DataFrame, language: str) -> Text:
    return Text(render(name, said, language), note(table, language))
