"""Executed notebooks -> one notebook, which is the report."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from fer_utils.data.augment import GRAY_LEVELS
from fer_utils.report.analysis import final_measure, summarize
from fer_utils.report.display import METADATA, is_demo
from fer_utils.report.export import outputs, refuse_unfinished, tags
from fer_utils.report.figures import PEERS, epochs, seeds
from fer_utils.report.language import Say, sentences, translated
from fer_utils.report.tables import runs_table
from fer_utils.training.recipe import OPTIMIZERS, RECIPES, Recipe, named_recipe

SOURCES = {
    "FER2013": "Goodfellow et al. 2013, arXiv 1307.0414",
    "FER+": "Barsoum et al. 2016, arXiv 1608.01041",
    "the homework and the original report": "National Taiwan University, ML2019SPRING hw8, Jennifer-Shiau",
}


def merge(notebooks: list[NotebookNode], table: pd.DataFrame, language: str, author: str = "") -> NotebookNode:
    """One notebook from many.

    All questions with their answers come first, then every notebook's figures and tables, then the runs behind them.
    """
    for nb in notebooks:
        refuse_unfinished(nb)
    say = sentences(language)
    cells = [new_markdown_cell(f"# {say['questions_and_answers']}")]
    parts = [[cell for cell in nb.cells if not tags(cell) & {"question", "answer", "runs"}] for nb in notebooks]
    numbers = Counter[str]()
    for number, (nb, part) in enumerate(zip(notebooks, parts, strict=True), 1):
        question = " ".join(cell.source for cell in nb.cells if "question" in tags(cell))
        cells += [new_markdown_cell(f"## {number}. {question}"), *_tagged(nb, "answer")]
        cells += [new_markdown_cell(say["shown_in"].format(links=say["comma"].join(_links(part, numbers, say))))]
    cells += chain.from_iterable(parts)
    data = _data_line(table, say)
    about = say["provenance_text"].format(runs=len(table), data=data)
    trained = table.groupby("recipe", sort=False).epochs
    recipes = [named_recipe(str(name), int(most)) for name, most in trained.max().items()]
    lines = [_recipe_line(recipe, say) for recipe in recipes]
    for name, fewest in trained.min().items():
        if fewest < (whole := RECIPES[str(name)].epochs):
            lines.append(say["cut_short"].format(whole=whole))
    if teachers := sorted({teacher for names in table.teachers for teacher in names.split(" + ")} - {""}):
        temperature = recipes[0].temperature
        lines.append(say["taught_by"].format(teachers=say["comma"].join(teachers), temperature=temperature))
    how = say["space"].join(lines)
    others = PEERS[PEERS.measure == final_measure(table)]
    cited = SOURCES | dict(zip(others.name, others.source, strict=True))
    named = [f"{translated(name, language)}: {source}" for name, source in cited.items()]
    told = say["reconstructed"].format(epochs=RECIPES["original"].epochs)
    sources = [told, say["sources"].format(sources=say["semicolon"].join(named))]
    texts = [
        f"# {say['provenance']}",
        about,
        how,
        *([] if is_demo(table) else sources),
        runs_table(table, language).markdown(),
    ]
    cells += [new_markdown_cell("\n\n".join(texts))]
    merged = new_notebook(cells=cells)
    merged.metadata[METADATA] = {
        "title": say["title"], "subtitle": say["subtitle"].format(data=data), "date": _date(table, say),
        "language": language, "author": author,
    }  # fmt: skip
    return merged


def answers(notebooks: list[NotebookNode]) -> list[str]:
    """The questions and answers of executed notebooks, as texts in Markdown."""
    texts = []
    for number, nb in enumerate(notebooks, 1):
        texts += [f"## {number}. {cell.source}" for cell in _tagged(nb, "question")]
        texts += [output.data["text/markdown"] for cell in _tagged(nb, "answer") for output in cell.outputs]
    return texts


def _links(cells: list[NotebookNode], numbers: Counter[str], say: Say) -> Iterator[str]:
    """A link to each figure and table of some cells, by its number in the report, where `numbers` go on."""
    for output in outputs(cells):
        for kind, mark in (("figure", "fig"), ("table", "tbl")):
            if name := output.get("metadata", {}).get(METADATA, {}).get(kind):
                numbers[kind] += 1
                yield f"[{say[kind].format(number=numbers[kind])}](#{mark}-{name})"


def _tagged(nb: NotebookNode, tag: str) -> Iterator[NotebookNode]:
    return (cell for cell in nb.cells if tag in tags(cell))


def _data_line(table: pd.DataFrame, say: Say) -> str:
    """The data, the recipes and the machine in a sentence."""
    first = table.iloc[0]
    # A file's name may hold what Markdown reads as a mark.
    faces = say["demo_faces"] if is_demo(table) else re.sub(r"([^\w\s.]|_)", r"\\\1", first.data)
    summary = summarize(table)
    trained = [_trained(str(recipe), rows, say) for recipe, rows in summary.groupby("recipe", sort=False)]
    return say["data"].format(
        faces=faces, fingerprint=first.fingerprint, trained=say["semicolon"].join(trained), seeds=seeds(summary, say),
        minutes=table.seconds.sum() / 60, devices=say["comma"].join(table.device.unique()),
    )  # fmt: skip


def _trained(recipe: str, summary: pd.DataFrame, say: Say) -> str:
    """A recipe, and for how many of its epochs nets were trained by it."""
    whole = RECIPES[recipe].epochs
    cut = say["cut"].format(whole=whole) if summary.epochs.max() < whole else ""
    return say["trained"].format(recipe=recipe, epochs=epochs(summary, say), cut=cut)


def _recipe_line(recipe: Recipe, say: Say) -> str:
    """How the nets were trained, in a sentence."""
    change, parts = recipe.augmentation, []
    parts.append(
        say["recipe_views"].format(
            rotation=change.rotation_degrees,
            shift=change.shift_px,
            zoom=100 * change.zoom,
        )
    )
    if change.contrast:
        light = {"contrast": 100 * change.contrast, "levels": GRAY_LEVELS * change.contrast}
        parts.append(say["recipe_contrast"].format(**light))
    if len(recipe.sides_seen) > 1:
        sides = say["comma"].join(map(str, recipe.sides_seen))
        parts.append(say["recipe_sizes"].format(sides=sides, side=recipe.sides_px[-1]))
    parts += [say["recipe_muon"]] if recipe.optimizer == "muon" else []
    parts += [] if recipe.dropout else [say["recipe_no_dropout"]]
    parts += [say["recipe_averaged"]] if recipe.averaging else []
    parts += [say["recipe_best"]] if recipe.keep == "best" else []
    return say["recipe_line"].format(
        name=recipe.name, optimizer=OPTIMIZERS[recipe.optimizer], rate=recipe.learning_rate,
        schedule=say["recipe_cycle"] if recipe.schedule == "one-cycle" else "", decay=recipe.weight_decay,
        smoothing=recipe.label_smoothing, batch=recipe.batch_size, parts=say["semicolon"].join(parts),
    )  # fmt: skip


def _date(table: pd.DataFrame, say: Say) -> str:
    """The day of the last run, so that the same runs give the same bytes."""
    day = pd.Timestamp(str(table.finished.max()))
    return say["date"].format(year=day.year, month=day.month, day=day.day)
