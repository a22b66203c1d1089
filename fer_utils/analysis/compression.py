"""File formats of a trained network: size, accuracy and latency."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from fer_utils.analysis.costs import face_milliseconds
from fer_utils.data.faces import FaceSet, split
from fer_utils.inference.export import FORMATS, export
from fer_utils.inference.onnx import open_onnx
from fer_utils.models import weights, zoo
from fer_utils.models.recognizer import Recognizer
from fer_utils.models.weights import Trained
from fer_utils.training.metrics import labelled_part, recognizer


def compressed(trained: Trained, faces: FaceSet, measure: str) -> pd.DataFrame:
    """Export a network to all formats and measure the files.

    One row per format: `bytes`, `accuracy` on a part of the data, and latency per image in `milliseconds`.
    """
    part, training = labelled_part(faces, measure), split(faces)[0].images
    size = weights.file_bytes(trained.net, trained.model)
    rows: list[tuple[str, int, Recognizer]] = [("float16", size, recognizer(trained, torch.device("cpu")))]
    with TemporaryDirectory() as folder:
        files = {format: Path(folder) / f"{format}.onnx" for format in FORMATS}
        export(trained, files, training)
        rows += [(format, file.stat().st_size, open_onnx(file)) for format, file in files.items()]
    found = [read(part.images).argmax(1) for *_, read in rows]
    return pd.DataFrame(
        {
            "model": trained.model,
            "parameters": zoo.parameters(trained.net),
            "format": [format for format, *_ in rows],
            "bytes": [size for _, size, _ in rows],
            "accuracy": [(predicted == part.labels).mean() for predicted in found],
            "milliseconds": face_milliseconds([read for *_, read in rows]),
        }
    )
