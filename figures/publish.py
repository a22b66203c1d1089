"""What is published of many runs: `python -m figures.publish TABLE.csv|RUN...` in the project's folder.

It writes `figures/runs.csv` (a row for each run), `figures/results.csv` (a row for each model trained one way), the
curve of accuracy against size, and the README's table. It copies the bundled weights: for each model and target those
of the run that is best on validation. A table is that of a study, or an earlier `runs.csv`, whose runs stay. Runs that
learned votes are in `runs.csv` alone.
"""

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fer_utils.analysis.summary import NAMES, WAY, best_ways, final_measure, summarize
from fer_utils.data.targets import TARGETS
from fer_utils.errors import FerError, InputError
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.weights import DATA_OF_TARGET
from fer_utils.report.outputs import Table, write_figure
from fer_utils.report.size_figures import curve
from fer_utils.training.recipe import OPTIMIZERS, RECIPES
from fer_utils.training.runs import results

KEY = [*WAY, "seed", "fingerprint"]
# Columns of texts that may be empty or, in a table of earlier runs, missing; and what that means.
DEFAULTS = {**dict.fromkeys(NAMES, ""), "precision": "", "target": "labels"}
SCORES = {"labels": "validation_accuracy", "votes": "validation_votes_accuracy"}  # by which the best run is chosen


def results_block(table: pd.DataFrame) -> str:
    """A Markdown table with a row for each model trained from labels, taught and not, and what it was measured on."""
    table = _of_labels(table)
    summary, measure = best_ways(table), final_measure(table)
    sets = {teachers: f"T{number}" for number, teachers in enumerate(sorted(set(summary.teachers) - {""}), 1)}
    rows = pd.DataFrame(
        {
            "model": summary.model,
            "taught by": [sets.get(teachers, "") for teachers in summary.teachers],
            "parameters": summary.parameters,
            "validation": summary.validation_accuracy,
            measure: [_accuracy(row, measure) for _, row in summary.iterrows()],
            "ships": [_shipped(row, table, measure) for _, row in summary.iterrows()],
            "without leak": summary.get(f"{measure}_accuracy_without_leak"),
            "flip averaged": summary.get(f"{measure}_accuracy_flip_averaged"),
            "recipe": [_recipe(row) for row in summary.itertuples()],
            "seeds": summary.seeds,
            "minutes": summary.seconds / 60,
        }
    )
    body = Table("readme", "", rows).markdown().partition("\n\n")[0]
    about = (
        "For each model, from the labels and taught, the way of training that is best on validation; "
        "[results.csv](figures/results.csv) has them all. In brackets is the deviation between the seeds, or for one "
        "seed the 95 % interval over the faces. The recipe is named with its epochs and what is not as in today's. "
        f"Minutes are those of one run on {' or '.join(sorted(set(table.device)))}, without its teachers; they depend "
        "on what else the machine did. "
    )
    if (summary.start != "").any():
        about += "After “from” stands the net that a run started from; its own epochs and minutes are not counted. "
    if sets:
        about += f"Who taught: {'; '.join(f'{name} is {teachers}' for teachers, name in sets.items())}."
    about = textwrap.fill(about.strip(), 120, break_on_hyphens=False)  # as long as the README's other lines
    return f"{body}\n\n{about}\n"


def _recipe(row: Any) -> str:
    """Recipe and epochs, from which weights, and what is not as the recipe has it today."""
    today = RECIPES[row.recipe]
    parts = [row.recipe, str(row.epochs)]
    parts += [f"from {row.start}"] if row.start else []
    parts += [f"batches of {row.batch_size}"] if row.batch_size != today.batch_size else []
    parts += [OPTIMIZERS[row.optimizer]] if row.optimizer != today.optimizer else []
    parts += [f"{row.batchnorm} BatchNorm"] if row.batchnorm != "running" else []
    return ", ".join(parts)


def _accuracy(row: pd.Series, measure: str) -> str:
    spread = f"± {row[f'{measure}_deviation']:.4f}" if row.seeds > 1 else _interval(row, measure)
    return f"**{row[f'{measure}_accuracy']:.4f}** ({spread})"


def _shipped(row: pd.Series, table: pd.DataFrame, measure: str) -> float | None:
    """The accuracy of the run that ships, where it is one of this row."""
    found = table[table.shipped & (table[WAY] == row[WAY]).all(axis=1)]
    return None if found.empty else float(found[f"{measure}_accuracy"].iloc[0])


def _interval(row: pd.Series, measure: str) -> str:
    return f"{row[f'{measure}_low']:.3f}–{row[f'{measure}_high']:.3f}"


def fill(readme: Path, name: str, block: str | None = None) -> str:
    """The block called `name` of the README, between its two comments; with `block`, that is written there."""
    text = readme.read_text(encoding="utf-8")
    found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", text, re.DOTALL)
    if not found:
        raise FerError(f"{readme}: no place for a table, which lies between <!-- {name} --> and <!-- /{name} -->")
    if block is not None:
        atomic_write(readme, text[: found.start()] + block + text[found.end() :])
    return found[0]


def publish(table: pd.DataFrame, project: Path) -> None:
    """Write tables, curve and README from a results table with one row a run."""
    readme, figures, shipped = project / "README.md", project / "figures", project / "fer_utils" / "weights"
    fill(readme, "results")  # that there is a place for it
    # The order decides between equals, here as in `best_ways`: a run with BatchNorm measured before one without.
    table = table.sort_values(["teachers", "batchnorm"], kind="stable", ignore_index=True)
    best = _best(table)
    contents = {}
    for model, target, run in table.loc[best, ["model", "target", "run"]].itertuples(index=False):
        if file := _weights(run):
            contents[f"{model}.{DATA_OF_TARGET[target]}.safetensors"] = file.read_bytes()
    for name, content in contents.items():  # all are read before the first is replaced
        atomic_write(shipped / name, content)
    table = table.drop(columns="run").assign(shipped=table.index.isin(best))
    atomic_write(figures / "runs.csv", table.to_csv(index=False))
    labels = _of_labels(table)
    atomic_write(figures / "results.csv", summarize(labels).to_csv(index=False))
    write_figure("curve", curve(labels, "curve", "en")._repr_mimebundle_()[0], figures)
    fill(readme, "results", results_block(labels))


def _of_labels(table: pd.DataFrame) -> pd.DataFrame:
    return table[table.target == "labels"]


def _best(table: pd.DataFrame) -> list[int]:
    """The rows that ship: for each model and target, the best on validation whose weights are there or shipped before.

    A record of a run may lack its weights.
    """
    held = table[[ships or _weights(run) is not None for ships, run in zip(table.shipped, table.run, strict=True)]]
    return [
        row
        for target, score in SCORES.items()
        if score in held
        for row in held[held.target == target].groupby("model")[score].idxmax()
    ]


def _weights(run: Any) -> Path | None:
    """The file of a run's weights, if there is one; `run` is its folder or record, or NaN where neither is known."""
    file = None if pd.isna(run) else Path(run) / "weights.safetensors"
    return file if file and file.exists() else None


def read_tables(files: Iterable[Path]) -> pd.DataFrame:
    """Tables and folders of runs as one table, of the nets of today; each run once, as the first that has it says."""
    tables = []
    for file in files:
        found = results([file]) if file.is_dir() else pd.read_csv(file, dtype=dict.fromkeys(DEFAULTS, str))
        for name, default in DEFAULTS.items():
            found[name] = found[name].fillna(default) if name in found else default
        if missing := set(KEY) - set(found):
            raise InputError(f"{file}: no column {', '.join(sorted(missing))}; delete it, and write it anew")
        tables.append(found)
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=[*dict.fromkeys([*table, "run", "shipped"])])
    table = table[_of_today(table)]
    # A study does not know that a run of its table ships, but the earlier table does.
    table["shipped"] = table.shipped.eq(True).groupby([table[name] for name in (*KEY, "finished")]).transform("any")
    if len(prints := table.fingerprint.unique()) > 1:
        raise InputError(f"runs on data with the fingerprints {', '.join(prints)}: one table is about one data set")
    return table.drop_duplicates(KEY, ignore_index=True)


def _of_today(table: pd.DataFrame) -> pd.Series:
    """Which rows are of a net that the zoo still has under their name: one that was redesigned is another net."""
    today = set()
    for model, target in set(zip(table.model, table.target, strict=True)):
        if model in zoo.MODELS:
            net = zoo.build(model, classes=len(TARGETS[target]))
            today.add((model, target, zoo.parameters(net), zoo.multiply_adds(net)))
    return table[["model", "target", "parameters", "multiply_adds"]].apply(tuple, axis=1).isin(today)


def main() -> None:
    """Publish the tables and runs that are named."""
    publish(read_tables(map(Path, sys.argv[1:])), Path())


if __name__ == "__main__":
    main()
