"""Combine executed notebooks into one, the report."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from fer_utils.analysis.facts import Facts, run_seeds
from fer_utils.analysis.published import PEERS
from fer_utils.analysis.summary import final_measure, is_demo, is_earlier, summarize
from fer_utils.data.augment import GRAY_LEVELS
from fer_utils.document.export import outputs, refuse_unfinished, tags
from fer_utils.report.language import LANGUAGES, Labels, labels, render
from fer_utils.report.outputs import METADATA
from fer_utils.report.tables import runs_table
from fer_utils.training.recipe import OPTIMIZERS, RECIPES, named_recipe

NOT_IN_PARTS = {"question", "answer", "your-answer", "try", "runs"}  # tags of cells outside a notebook's own section
SOURCES = {
    "FER2013": "Goodfellow et al. 2013, arXiv 1307.0414",
    "FER+": "Barsoum et al. 2016, arXiv 1608.01041",
    "the homework and the original report": "National Taiwan University, ML2019SPRING hw8, Jennifer-Shiau",
}


def combine(notebooks: list[NotebookNode], table: pd.DataFrame, language: str, author: str = "") -> NotebookNode:
    """Combine executed notebooks into one.

    All questions with their answers come first, then every notebook's figures and tables, then the runs behind them.
    """
    for nb in notebooks:
        refuse_unfinished(nb)
    names, facts = labels(language), provenance_facts(table, language)
    cells = [new_markdown_cell(f"# {names['questions_and_answers']}")]
    parts = [[cell for cell in nb.cells if not tags(cell) & NOT_IN_PARTS] for nb in notebooks]
    numbers = Counter[str]()
    for number, (nb, part) in enumerate(zip(notebooks, parts, strict=True), 1):
        for question in _tagged(nb, "question"):
            cells.append(NotebookNode(question | {"source": f"## {number}. {question.source}"}))
        cells += _own_answers(nb)
        cells += _tagged(nb, "answer")
        links = names["comma"].join(_links(part, numbers, names))
        cells.append(new_markdown_cell(names("shown_in", links=links)))
    cells += chain.from_iterable(parts)
    runs = runs_table(table, language).markdown()
    cells.append(new_markdown_cell(f"{render('provenance', facts, language)}\n\n{runs}"))
    merged = new_notebook(cells=cells)
    merged.metadata[METADATA] = {
        "title": names["title"],
        "subtitle": names("subtitle", data=render("data", facts, language)),
        "date": _date(table, names),
        "language": language,
        "author": author,
    }
    return merged


def provenance_facts(table: pd.DataFrame, language: str) -> Facts:
    """Facts for `provenance.md` and `data.md`: data, recipes, teachers and sources."""
    names, summary, first = labels(language), summarize(table), table.iloc[0]
    others = PEERS[PEERS.measure == final_measure(table)]
    cited = SOURCES | dict(zip(others.name, others.source, strict=True))
    studied = summarize(table[table.key != ""] if "key" in table else table)
    trained = [(str(recipe), sorted(rows.epochs.unique())) for recipe, rows in studied.groupby("recipe", sort=False)]
    return {
        "runs": len(table),
        "earlier": int((table.key == "").sum()) if is_earlier(table) else 0,
        # escaped for Markdown
        "faces": "" if is_demo(table) else re.sub(r"([^\w\s.]|_)", r"\\\1", first.data),
        "fingerprint": first.fingerprint,
        "run_seeds": run_seeds(summary),
        "minutes": table.seconds.sum() / 60,
        "devices": list(table.device.unique()),
        "trained": [
            {"recipe": name, "epochs": epochs, "whole": whole, "cut": epochs[-1] < whole}
            for name, epochs in trained
            for whole in [RECIPES[name].epochs]
        ],
        "recipes": [_recipe_facts(name, epochs) for name, epochs in trained],
        "teachers": sorted({teacher for teachers in table.teachers for teacher in teachers.split(" + ")} - {""}),
        "temperature": RECIPES[trained[0][0] if trained else "full"].temperature,
        "original_epochs": RECIPES["original"].epochs,
        "sources": [{"name": names.get(name, name), "source": source} for name, source in cited.items()],
    }


def _recipe_facts(name: str, epochs: list[int]) -> Facts:
    """A recipe's hyperparameters, and whether some runs had fewer epochs (`cut`)."""
    recipe, whole = named_recipe(name, int(epochs[-1])), RECIPES[name].epochs
    values: dict[str, Any] = vars(recipe) | vars(recipe.augmentation)
    return values | {
        "optimizer": OPTIMIZERS[recipe.optimizer],
        "sides_px": recipe.sides_seen,
        "brightness": GRAY_LEVELS * recipe.augmentation.contrast,
        "cut": epochs[0] < whole,
        "whole": whole,
    }


def answers(notebooks: list[NotebookNode]) -> list[str]:
    """The questions and answers of executed notebooks, in Markdown."""
    texts = []
    for number, nb in enumerate(notebooks, 1):
        texts += [f"## {number}. {cell.source}" for cell in _tagged(nb, "question")]
        texts += [output.data["text/markdown"] for cell in _tagged(nb, "answer") for output in cell.outputs]
    return texts


def _links(cells: list[NotebookNode], numbers: Counter[str], names: Labels) -> Iterator[str]:
    """Links to the figures and tables of some cells.

    `numbers` counts them across the report.
    """
    for output in outputs(cells):
        for kind, mark in (("figure", "fig"), ("table", "tbl")):
            if name := output.get("metadata", {}).get(METADATA, {}).get(kind):
                numbers[kind] += 1
                yield f"[{names(kind, number=numbers[kind])}](#{mark}-{name})"


def _own_answers(nb: NotebookNode) -> Iterator[NotebookNode]:
    """The cells for one's own answer that were edited."""
    unedited = {labels(language)["your_answer"] for language in LANGUAGES}
    return (cell for cell in _tagged(nb, "your-answer") if cell.source.strip() not in unedited)


def _tagged(nb: NotebookNode, tag: str) -> Iterator[NotebookNode]:
    return (cell for cell in nb.cells if tag in tags(cell))


def _date(table: pd.DataFrame, names: Labels) -> str:
    """The day of the last run: the same runs give the same bytes."""
    day = pd.Timestamp(str(table.finished.max()))
    return names("date", year=day.year, month=day.month, day=day.day)
