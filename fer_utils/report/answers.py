"""The answers to the questions, as prose."""

import pandas as pd

from fer_utils.analysis import facts
from fer_utils.analysis.people_facts import people_facts
from fer_utils.report.language import render
from fer_utils.report.outputs import Text, note


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: size and accuracy of the smallest and the largest model."""
    return _text("architecture", facts.architecture_facts(table), table, language)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: validation accuracy against parameters, by family."""
    return _text("sweep", facts.sweep_facts(table), table, language)


def families(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Question 4: MobileNets against plain CNNs, and why they differ.

    `equals` is the results table of the ablation; it may be empty.
    """
    return _text("families", facts.families_facts(table, equals), table, language)


def costs(table: pd.DataFrame, language: str) -> Text:
    """Question 4, continued: costs, errors, and agreement with FER+'s voters."""
    return _text("costs", facts.costs_facts(table), table, language)


def people(table: pd.DataFrame, language: str) -> Text:
    """Question 5: what a label, a person and each network are worth."""
    return _text("people", people_facts(table), table, language)


def _text(name: str, said: facts.Facts, table: pd.DataFrame, language: str) -> Text:
    return Text(render(name, said, language), note(table, language))
