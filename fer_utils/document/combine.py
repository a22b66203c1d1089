"""Combine executed notebooks into one, the report."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from fer_utils.analysis.method_facts import method_facts
from fer_utils.document.cells import outputs, refuse_unfinished, tags
from fer_utils.report.language import LANGUAGES, Labels, labels, render
from fer_utils.report.outputs import METADATA, Table
from fer_utils.report.tables import recipes_table, runs_table

NOT_IN_SECTIONS = {"question", "answer", "overview", "your-answer", "try", "methods", "notebook-only"}  # tags


def combine(notebooks: list[NotebookNode], table: pd.DataFrame, language: str, author: str = "") -> NotebookNode:
    """Combine executed notebooks into one.

    The first page has the figure tagged `overview` and all questions with their answers. Then come a section for
    each notebook with its figures, tables and discussion, and at the end the methods.
    """
    for nb in notebooks:
        refuse_unfinished(nb)
    names, facts = labels(language), method_facts(table)
    sections = [[cell for cell in nb.cells if not tags(cell) & NOT_IN_SECTIONS] for nb in notebooks]
    overview = [cell for nb in notebooks for cell in _tagged(nb, "overview")]
    numbers = Counter[str]()
    list(_links(overview, numbers, names))  # the figures of the first page have the first numbers
    cells = list(overview)
    for number, (nb, section) in enumerate(zip(notebooks, sections, strict=True), 1):
        cells += _question(nb, number)
        links = names["comma"].join(_links(section, numbers, names))
        cells.append(new_markdown_cell(_answer(nb) + (names("shown_in", links=links) if links else "")))
    cells += chain.from_iterable(sections)
    tables = (recipes_table(table, language), runs_table(table, language))
    listed = [each.markdown() for each in tables if isinstance(each, Table)]
    cells.append(new_markdown_cell("\n\n".join([render("methods", facts, language), *listed])))
    merged = new_notebook(cells=cells)
    merged.metadata[METADATA] = {
        "title": names["title"],
        "subtitle": names("subtitle", data=render("data", facts, language)),
        "date": _date(table, names),
        "language": language,
        "author": author,
    }
    return merged


def answers(notebooks: list[NotebookNode]) -> str:
    """The questions and answers of executed notebooks, in Markdown."""
    texts = []
    for number, nb in enumerate(notebooks, 1):
        texts += [cell.source for cell in _question(nb, number)] + [_answer(nb)]
    return "\n\n".join(texts) + "\n"


def _question(nb: NotebookNode, number: int) -> Iterator[NotebookNode]:
    """The question as a numbered heading, then one's own answer, if there is one."""
    unedited = {labels(language)["your_answer"] for language in LANGUAGES}
    for cell in _tagged(nb, "question"):
        yield NotebookNode(cell | {"source": f"## {number}. {cell.source}"})
    yield from (cell for cell in _tagged(nb, "your-answer") if cell.source.strip() not in unedited)


def _answer(nb: NotebookNode) -> str:
    """The generated answer in Markdown, without its note."""
    found = outputs(list(_tagged(nb, "answer")))
    about = [output.get("metadata", {}).get(METADATA) for output in found]  # a stream has no metadata
    return "\n\n".join(each["text"] for each in about if each)


def _links(cells: list[NotebookNode], numbers: Counter[str], names: Labels) -> Iterator[str]:
    """Links to the figures and tables of some cells.

    `numbers` counts them across the report.
    """
    for output in outputs(cells):
        for kind, mark in (("figure", "fig"), ("table", "tbl")):
            if name := output.get("metadata", {}).get(METADATA, {}).get(kind):
                numbers[kind] += 1
                yield f"[{names(kind, number=numbers[kind])}](#{mark}-{name})"


def _tagged(nb: NotebookNode, tag: str) -> Iterator[NotebookNode]:
    return (cell for cell in nb.cells if tag in tags(cell))


def _date(table: pd.DataFrame, names: Labels) -> str:
    """The day of the last run: the same runs give the same bytes."""
    day = pd.Timestamp(str(table.finished.max()))
    return names("date", year=day.year, month=day.month, day=day.day)
