"""Publish runs: `python -m figures.publish TABLE.csv|RUN`, in the clone.

Several tables and runs may be given. A table comes from `fer study`, or is an earlier `runs.csv`, whose runs stay. The
script copies the bundled weights: for each model and target, those of the run that is best on validation. It writes
`figures/runs.csv` (one row per run) and `figures/results.csv` (one row per model and training setup). Runs from votes
are in `runs.csv` only. `figures/pack.py` comes next.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fer_utils.analysis.people import CHOSEN_BY
from fer_utils.analysis.summary import NAMES, WAY, summarize
from fer_utils.data.targets import TARGETS
from fer_utils.errors import InputError
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.bundled import DATA_OF_TARGET
from fer_utils.training.runs import results

KEY = [*WAY, "seed", "fingerprint"]
# Defaults of text columns, which may be empty or, in earlier tables, missing.
DEFAULTS = {**dict.fromkeys(NAMES, ""), "precision": "", "target": "labels"}


def publish(table: pd.DataFrame, project: Path) -> None:
    """Write weights and tables from a table with one row per run."""
    figures, shipped = project / "figures", project / "fer_utils" / "weights"
    # The order breaks ties, as in `best_ways`: a run with recalibrated BatchNorm (`measured`) comes first.
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
    atomic_write(figures / "results.csv", summarize(table[table.target == "labels"]).to_csv(index=False))


def _best(table: pd.DataFrame) -> list[int]:
    """The rows to bundle: for each model and target, the best on validation.

    Candidates have weights or are bundled already; a record may lack its weights.
    """
    held = table[[ships or _weights(run) is not None for ships, run in zip(table.shipped, table.run, strict=True)]]
    return [
        row
        for target, score in CHOSEN_BY.items()
        if score in held
        for row in held[held.target == target].groupby("model")[score].idxmax()
    ]


def _weights(run: Any) -> Path | None:
    """The file of a run's weights; None if there is none.

    `run` is the folder of the run or of its record; NaN if unknown.
    """
    file = None if pd.isna(run) else Path(run) / "weights.safetensors"
    return file if file and file.exists() else None


def read_tables(files: Iterable[Path]) -> pd.DataFrame:
    """Read tables and run folders as one table, of models that still exist unchanged.

    If several have the same run, the first row counts.
    """
    tables = []
    for file in files:
        found = results([file]) if file.is_dir() else pd.read_csv(file, dtype=dict.fromkeys(DEFAULTS, str))
        for name, default in DEFAULTS.items():
            found[name] = found[name].fillna(default) if name in found else default
        if missing := set(KEY) - set(found):
            raise InputError(f"{file}: no column {', '.join(sorted(missing))}; delete it and create it again")
        tables.append(found)
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=[*dict.fromkeys([*table, "run", "shipped"])])
    table = table[_of_today(table)]
    # Only the earlier table knows which runs are bundled.
    table["shipped"] = table.shipped.eq(True).groupby([table[name] for name in (*KEY, "finished")]).transform("any")
    if len(prints := table.fingerprint.unique()) > 1:
        raise InputError(f"runs on data with the fingerprints {', '.join(prints)}: publish those of one data set only")
    return table.drop_duplicates(KEY, ignore_index=True)


def _of_today(table: pd.DataFrame) -> pd.Series:
    """Which rows are of models that the zoo still has unchanged."""
    today = set()
    for model, target in set(zip(table.model, table.target, strict=True)):
        if model in zoo.MODELS:
            net = zoo.build(model, classes=len(TARGETS[target]))
            today.add((model, target, zoo.parameters(net), zoo.multiply_adds(net)))
    return table[["model", "target", "parameters", "multiply_adds"]].apply(tuple, axis=1).isin(today)


def main() -> None:
    """Publish the tables and runs given as arguments."""
    publish(read_tables(map(Path, sys.argv[1:])), Path())


if __name__ == "__main__":
    main()
