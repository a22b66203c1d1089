"""Records: finished runs as published, without images and ten times smaller.

A record is a folder with the run's name. It holds `run.json` and `history.csv` unchanged, `predictions.npz`, and the
weights if the run is a teacher. Columns shared by all runs on a data set are stored once, beside the records.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_utils.errors import InputError
from fer_utils.files import atomic_path, atomic_write
from fer_utils.training.metrics import PROBABILITY_COLUMN, add_votes, votes_of
from fer_utils.training.runs import read_record

SHARED = ("part", "face", "label", "leaked")  # columns of predictions that do not depend on the network, besides votes
OWN = ("predicted", "predicted_flip_averaged")


def write_record(run: Path, records: Path, *, with_weights: bool) -> Path:
    """Write the record of a run folder below `records`; return the record's folder.

    Probabilities are stored as the bytes `round(255 * sqrt(p))`, which resolve small ones. Raises `InputError` if the
    run is not finished.
    """
    record = records / run.name
    about = read_record(run)
    if about is None:
        raise InputError(f"{run}: this run is not finished; train it first")
    write_predictions(read_predictions(run), about, record)
    for name in ("history.csv", *(["weights.safetensors"] if with_weights else [])):
        with atomic_path(record / name) as draft:
            shutil.copyfile(run / name, draft)
    atomic_write(record / "run.json", (run / "run.json").read_bytes())  # last, since it marks the record as complete
    return record


def write_predictions(predictions: pd.DataFrame, about: dict[str, Any], record: Path) -> None:
    """Write the predictions of a record whose `run.json` is `about`."""
    _write_shared(_shared_file(record, about["fingerprint"]), predictions, record)
    columns = [PROBABILITY_COLUMN.format(name) for name in about["classes"]]
    roots = np.round(255 * np.sqrt(predictions[columns].to_numpy())).astype(np.uint8)
    with atomic_path(record / "predictions.npz") as draft:
        own = {name: predictions[name].to_numpy(np.int8) for name in OWN}
        np.savez_compressed(draft, allow_pickle=False, roots=roots, **own)


def _write_shared(file: Path, predictions: pd.DataFrame, record: Path) -> None:
    """Write the columns that all runs share; `InputError` if the records have other faces or votes."""
    # Through lists, since savez refuses the object arrays of strings.
    shared = {name: np.array(predictions[name].tolist()) for name in SHARED}
    shared |= {} if (votes := votes_of(predictions)) is None else {"votes": votes.astype(np.uint8)}
    if not file.exists():
        with atomic_path(file) as draft:
            np.savez_compressed(draft, allow_pickle=False, **shared)
        return
    with np.load(file) as stored:
        if set(stored) != set(shared) or any(not np.array_equal(stored[name], shared[name]) for name in shared):
            raise InputError(f"{record}: its faces or votes are not those of {file}. Give it a folder of its own")


def read_predictions(folder: Path) -> pd.DataFrame:
    """The predictions of a run folder or record (`metrics.prediction_table`)."""
    if (folder / "predictions.csv").exists():
        return pd.read_csv(folder / "predictions.csv", dtype={"face": str})
    about = read_record(folder)
    if about is None or not (folder / "predictions.npz").exists():
        raise InputError(f"{folder}: its predictions are missing. Delete the folder and train the run again")
    with np.load(_shared_file(folder, about["fingerprint"])) as faces, np.load(folder / "predictions.npz") as own:
        probabilities = (own["roots"] / 255.0) ** 2
        probabilities /= probabilities.sum(1, keepdims=True)
        columns = [PROBABILITY_COLUMN.format(name) for name in about["classes"]]
        table = add_votes(pd.DataFrame({name: faces[name] for name in SHARED}), faces.get("votes"))
        answers = {name: own[name].astype(np.int64) for name in OWN}
        return table.assign(**answers, **dict(zip(columns, probabilities.T, strict=True)))


def _shared_file(record: Path, fingerprint: str) -> Path:
    return record.parent / f"faces-{fingerprint}.npz"
