"""Bundle what is published: `python -m figures.pack DATA`, in the clone, after `figures/publish.py`.

The records of the study's published runs are copied into the package without their weights. A bundled network that was
trained before the study gets a record without a history: from its row in `figures/runs.csv`, and from its predictions
on DATA. Its scores on votes are added to that row. The script also writes the bundled ONNX files whose weights have
changed, and `figures/duplicates.csv`.
"""

import json
import shutil
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import torch

from fer_utils.analysis.published import RECORDS, published_runs
from fer_utils.analysis.summary import summarize
from fer_utils.data.faces import FaceSet
from fer_utils.data.load import load
from fer_utils.data.votes import row_numbers
from fer_utils.files import atomic_write
from fer_utils.inference.export import export
from fer_utils.models import weights
from fer_utils.models.bundled import BUNDLED, DATA_OF_TARGET, ONNX_SUFFIX, SUFFIX, bundled
from fer_utils.training import metrics
from fer_utils.training.records import write_predictions
from fer_utils.training.runs import COLUMNS, FORMAT_VERSION, read_json
from figures.publish import read_tables

ONNX_MODELS = ("compact-46k", "compact-58k", "compact-103k", "compact-158k", "mobilenet-46k")
FIGURES = Path("figures")
STUDY, RUNS, RESULTS = FIGURES / "records", FIGURES / "runs.csv", FIGURES / "results.csv"
# Columns of runs.csv that are keys of run.json.
PLAIN = (
    "model", "family", "parameters", "multiply_adds", "seed", "start", "target", "precision", "data", "fingerprint",
    "seconds", "finished", "device", "threads",
)  # fmt: skip


def pack(faces: FaceSet) -> None:
    """Copy the study's records, and write those of earlier bundled networks."""
    RECORDS.mkdir(exist_ok=True)
    for file in STUDY.glob("faces-*.npz"):
        shutil.copyfile(file, RECORDS / file.name)
    table = read_tables([RUNS])
    records = {read_json(file)["finished"]: file.parent for file in STUDY.glob("*/run.json")}
    kept = set()
    for finished in records.keys() & set(table.finished):  # published ones
        kept.add(RECORDS / records[finished].name)
        without = shutil.ignore_patterns(f"*{SUFFIX}")
        shutil.copytree(records[finished], RECORDS / records[finished].name, ignore=without, dirs_exist_ok=True)
    for _, row in table[table.shipped & ~table.finished.isin(list(records))].iterrows():
        kept.add(record := RECORDS / f"{row.model}.{DATA_OF_TARGET[row.target]}_earlier")
        _pack_earlier(row, faces, record)
    for record in {path for path in RECORDS.iterdir() if path.is_dir()} - kept:
        shutil.rmtree(record)
    _add_votes(table)


def _add_votes(table: pd.DataFrame) -> None:
    """Add the records' scores on votes to the tables of runs and results."""
    scores = published_runs().set_index(["model", "target", "finished"]).filter(like="_votes_")
    keys = table[["model", "target", "finished"]]
    found = keys.join(scores, on=list(keys)).drop(columns=list(keys))
    table = table.drop(columns=["run", *found.columns.intersection(table.columns)]).join(found)
    atomic_write(RUNS, table.to_csv(index=False))
    atomic_write(RESULTS, summarize(table[table.target == "labels"]).to_csv(index=False))


def write_onnx() -> None:
    """Write the bundled ONNX files that are missing or were made from other weights."""
    for model, target in product(ONNX_MODELS, DATA_OF_TARGET):
        file = bundled(f"{model}.{DATA_OF_TARGET[target]}")
        if file is None:
            continue
        path = file.with_suffix(ONNX_SUFFIX)
        if not path.exists() or weights_of(path) != weights.digest(file):
            export(weights.load_weights(file), {"onnx": path})


def weights_of(path: Path) -> str:
    """The digest of the weights that an ONNX file was made from."""
    return {prop.key: prop.value for prop in onnx.load(path).metadata_props}.get("weights", "")


def duplicates(faces: FaceSet) -> pd.DataFrame:
    """Test faces that Training also holds: `row` in fer2013.csv, `usage`, and `kind`, identical or similar."""
    training = faces.usage == "Training"
    found = ~training & np.asarray(faces.duplicate)
    same = np.isin(faces.digests, faces.digests[training])
    table = pd.DataFrame(
        {"row": row_numbers(faces), "usage": faces.usage, "kind": np.where(same, "identical", "similar")}
    )
    return table[found].sort_values("row")


def _pack_earlier(row: pd.Series, faces: FaceSet, record: Path) -> None:
    """Write the record of a bundled network, unless it is there already."""
    file = BUNDLED / f"{record.name.removesuffix('_earlier')}{SUFFIX}"
    if read_json(record / "run.json").get("weights") == weights.digest(file):
        return
    trained = weights.load_weights(file)
    network = metrics.recognizer(trained, torch.device("cpu"))
    tables: list[pd.DataFrame] = []
    scores: dict[str, float] = {}
    for part in (metrics.VALIDATION, "PublicTest"):
        answers = metrics.prediction_table(network, metrics.labelled_part(faces, part)).assign(part=part)
        scores |= {f"{part}_{key}": value for key, value in metrics.part_metrics(answers).items()}
        tables.append(answers)
    about = {
        "format": FORMAT_VERSION,
        "key": "",
        "identity": {},
        "weights": weights.digest(file),
        "recipe": {"name": row.recipe} | {name: row[name] for name in COLUMNS},
        "teachers": [title for title in row.teachers.split(" + ") if title],
        "classes": trained.classes,
        "metrics": scores,
        "versions": {name: row[name] for name in ("code", "torch", "python")},
        "bytes": {},
    }
    about |= {name: row[name] for name in PLAIN}
    write_predictions(pd.concat(tables, ignore_index=True), about, record)
    atomic_write(record / "run.json", json.dumps(about, indent=1, default=_plain))
    print(record, flush=True)


def _plain(value: Any) -> Any:
    """A numpy number as a Python number."""
    assert isinstance(value, np.generic)
    return value.item()


def main() -> None:
    """Bundle records and ONNX files, and list duplicates."""
    faces = load(sys.argv[1])
    pack(faces)
    write_onnx()
    atomic_write(FIGURES / "duplicates.csv", duplicates(faces).to_csv(index=False))


if __name__ == "__main__":
    main()
