"""Facts for `methods.md`: data, runs, recipes, teachers and sources."""

import re

import pandas as pd

from fer_utils.analysis.facts import Facts
from fer_utils.analysis.published import PEERS, PEERS_ON_VOTES, is_published
from fer_utils.analysis.statistics import LEVEL, predictions
from fer_utils.analysis.summary import earlier, is_demo, run_seeds, stated_measures, summarize
from fer_utils.data.faces import SIDE_PX
from fer_utils.training.metrics import VALIDATION
from fer_utils.training.recipe import RECIPES, Recipe, named_recipe

SOURCES = {
    "FER2013": "Goodfellow et al. 2013, arXiv 1307.0414",
    "FER+": "Barsoum et al. 2016, arXiv 1608.01041",
    "the homework and the original report": "National Taiwan University, ML2019SPRING hw8, Jennifer-Shiau",
}


def recipes(table: pd.DataFrame) -> list[Recipe]:
    """The recipes of a results table, each with its smallest number of epochs.

    Without those of networks from before the published study, which differ from today's.
    """
    studied = table[~earlier(table)]
    return [named_recipe(str(name), int(rows.epochs.min())) for name, rows in studied.groupby("recipe", sort=False)]


def method_facts(table: pd.DataFrame) -> Facts:
    """Facts for `methods.md` and `data.md`: data, recipes, teachers and sources."""
    summary, first = summarize(table), table.iloc[0]
    others = pd.concat([PEERS, PEERS_ON_VOTES])
    cited = SOURCES | dict(zip(others.name, others.source, strict=True))
    return {
        "runs": len(table),
        "earlier": int(earlier(table).sum()),
        # escaped for Markdown
        "faces": "" if is_demo(table) else re.sub(r"([^\w\s.]|_)", r"\\\1", first.data),
        "fingerprint": first.fingerprint,
        "side_px": SIDE_PX,
        "parts": _parts(table),
        "run_seeds": run_seeds(summary),
        "minutes": table.seconds.sum() / 60,
        "devices": list(table.device.unique()),
        "cut": any(recipe.epochs < RECIPES[recipe.name].epochs for recipe in recipes(table)),
        "teachers": sorted({teacher for teachers in table.teachers for teacher in teachers.split(" + ")} - {""}),
        "temperature": max(RECIPES[name].temperature for name in table.recipe),
        "original_epochs": RECIPES["original"].epochs,
        "sources": [{"name": name, "source": source} for name, source in cited.items()],
        "published": is_published(table),
        "level": LEVEL,
    }


def _parts(table: pd.DataFrame) -> list[Facts]:
    """The parts that results are stated on: their faces, and how many of these are also in Training."""
    leaked = {part: predictions(str(table.run.iloc[0]), part).leaked for part in stated_measures(table)}
    return [
        {"measure": part, "faces": len(marks), "leaked": int(marks.sum()) * (part != VALIDATION)}
        for part, marks in leaked.items()
    ]
