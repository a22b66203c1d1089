"""Classify faces in pictures, folders and tables with a trained network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fer_utils.data.load import load
from fer_utils.data.pictures import IMAGE_KINDS, find_pictures, is_picture, read_pictures
from fer_utils.errors import InputError
from fer_utils.inference.onnx import SUFFIX, open_onnx
from fer_utils.models.weights import open_model
from fer_utils.training.metrics import Reader, reader


def open_reader(name: str, device: torch.device) -> Reader:
    """The reader of an ONNX file, or of what `weights.locate` takes."""
    path = Path(name).expanduser()
    if path.suffix == SUFFIX and path.is_file():
        return Reader(*open_onnx(path))
    return reader(open_model(name), device)


def classify(read: Reader, faces: np.ndarray) -> pd.DataFrame:
    """A row for each face, uint8 `(N, 48, 48)`: its `label`, a number, and the probability of every class."""
    found = torch.from_numpy(read(faces))
    table = pd.DataFrame(found.softmax(1).numpy(), columns=list(read.classes))
    table.insert(0, "label", found.argmax(1).numpy())
    return table


def predict(read: Reader, paths: Sequence[Path]) -> pd.DataFrame:
    """Classify the faces in files: a row for each.

    Of images and their folders, in any number: the `file`, the name of its class as `label`, and the probability of
    every class. Of one CSV or Parquet file of faces: `id`, or the row's number, and the number of its class as `label`,
    as Kaggle expects. Raises `InputError` for anything else.
    """
    if all(path.is_dir() or is_picture(path) for path in paths):
        pictures = find_pictures(paths)
        table = classify(read, read_pictures(pictures))
        table.insert(0, "file", [str(path) for path in pictures])
        return table.assign(label=[read.classes[label] for label in table.label])
    if len(paths) > 1:
        allowed = f"one csv or parquet of faces, or images ({IMAGE_KINDS}) and their folders alone"
        raise InputError(f"{len(paths)} paths: give {allowed}")
    faces = load(paths[0])
    ids = range(len(faces)) if faces.ids is None else faces.ids
    return pd.DataFrame({"id": ids, "label": classify(read, faces.images).label})
