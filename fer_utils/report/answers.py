"""Answers to the questions, their discussion, and the methods, as prose."""

import pandas as pd

from fer_utils.analysis import facts
from fer_utils.analysis.family_facts import costs_facts, families_facts
from fer_utils.analysis.method_facts import method_facts
from fer_utils.analysis.people_facts import people_facts
from fer_utils.report.language import render
from fer_utils.report.outputs import Text, note


def architecture(table: pd.DataFrame, language: str) -> Text:
    """Question 1: size and accuracy of the smallest and the largest model."""
    return _text("architecture", facts.architecture_facts(table), table, language)


def architecture_discussion(table: pd.DataFrame, language: str) -> Text:
    """Where the parameters of these two are, and what the original report measured."""
    return _text("architecture_discussion", facts.architecture_facts(table), table, language)


def sweep(table: pd.DataFrame, language: str) -> Text:
    """Questions 2 and 3: validation accuracy against parameters, by family."""
    return _text("sweep", facts.sweep_facts(table), table, language)


def sweep_discussion(table: pd.DataFrame, language: str) -> Text:
    """The steps from one size to the next, and what the original report measured."""
    return _text("sweep_discussion", facts.sweep_facts(table), table, language)


def families(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Question 4: MobileNets against plain CNNs, and why they differ.

    `equals` is the results table of the ablation; it may be empty.
    """
    return _text("families", families_facts(table, equals), table, language)


def families_discussion(table: pd.DataFrame, equals: pd.DataFrame, language: str) -> Text:
    """Catching up, structure, and the ablation; `equals` as in `families`."""
    return _text("families_discussion", families_facts(table, equals), table, language)


def costs_discussion(table: pd.DataFrame, language: str) -> Text:
    """Costs, errors, and agreement with FER+'s voters."""
    return _text("costs_discussion", costs_facts(table), table, language)


def people(table: pd.DataFrame, language: str) -> Text:
    """Question 5: how many people the best network is worth."""
    return _text("people", people_facts(table), table, language)


def people_discussion(table: pd.DataFrame, language: str) -> Text:
    """The measure, what a label and each network are worth, and limits."""
    return _text("people_discussion", people_facts(table), table, language)


def methods(table: pd.DataFrame, language: str) -> Text:
    """Data, training, tests of significance, limits and sources of a results table."""
    return _text("methods", method_facts(table), table, language)


def _text(name: str, said: facts.Facts, table: pd.DataFrame, language: str) -> Text:
    return Text(render(name, said, language), note(table, language))
