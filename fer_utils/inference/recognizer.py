"""Classify faces in pictures, folders and tables with a trained network."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.pictures import IMAGE_KINDS, find_pictures, is_picture, pictures_in, read_pictures, shown
from fer_utils.errors import FerError, InputError
from fer_utils.inference.onnx import open_onnx
from fer_utils.models.bundled import ONNX_SUFFIX, bundled_onnx, locate
from fer_utils.models.recognizer import Recognizer


def open_recognizer(name: str, device: str | None = None) -> Recognizer:
    """A trained network by its bundled name, its file or its run folder.

    Without a device, networks that are bundled as ONNX run in ONNX Runtime, which starts faster; others in PyTorch.
    With one (`devices.pick_device`), all but ONNX files run in PyTorch. Raises `InputError` for an unknown name, and
    `FerError` if PyTorch is needed but not installed.
    """
    path = Path(name).expanduser()
    if path.suffix == ONNX_SUFFIX and path.is_file():
        return open_onnx(path)
    if device is None and (onnx := bundled_onnx(name)):
        return open_onnx(onnx)
    try:
        from fer_utils.models.weights import load_weights
        from fer_utils.training.devices import pick_device
        from fer_utils.training.metrics import recognizer
    except ModuleNotFoundError as error:
        raise FerError(f"{name} needs PyTorch ({error}): pip install 'fer_utils[train]'") from None
    return recognizer(load_weights(locate(name)), pick_device(device or "auto"))


def predict(
    network: Recognizer,
    paths: Sequence[Path],
    skip: Callable[[InputError], None] | None = None,
    classes: str | None = None,
) -> pd.DataFrame:
    """Classify the faces in files: one row per face.

    For images and folders of images: `file`, `label` (the name of the class) and the probability of every class. For
    one CSV or Parquet file, or a folder of such files: `id` (or the row number) and `label` (the number of the class),
    as Kaggle expects. Raises `InputError` for anything else, and for images as `read_pictures`, which takes `skip`.
    Labels in a table are not read, unless `classes` says which to leave out.
    """
    holds_tables = len(paths) == 1 and paths[0].is_dir() and not pictures_in(paths[0])
    if not holds_tables and all(path.is_dir() or is_picture(path) for path in paths):
        images, read = read_pictures(find_pictures(paths), skip)
        table = network.classify(images)
        table.insert(0, "file", list(map(shown, read)))
        return table.assign(label=[network.classes[label] for label in table.label])
    if len(paths) > 1:
        allowed = f"one CSV or Parquet file or folder of faces, or only images ({IMAGE_KINDS}) and folders of images"
        raise InputError(f"{len(paths)} paths: give {allowed}")
    try:
        from fer_utils.data.load import load
    except ModuleNotFoundError as error:
        raise FerError(f"{paths[0]}: tables need {error.name}: pip install 'fer_utils[train]'") from None
    faces = load(paths[0], classes=classes)
    rows = np.arange(len(faces)) if faces.rows is None else faces.rows
    ids = rows if faces.ids is None else faces.ids
    return pd.DataFrame({"id": ids, "label": network.classify(faces.images).label})
