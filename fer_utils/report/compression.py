"""How small a file a trained net fits in, and what that costs: `python -m fer_utils.report.compression DATA`.

As a command it measures the compact nets that ship and the MobileNet, for `figures/compression.csv` and the README.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import torch

from fer_utils.data.faces import FaceSet, split
from fer_utils.data.load import load
from fer_utils.files import atomic_write
from fer_utils.models import weights, zoo
from fer_utils.models.export import FORMATS, export, open_onnx
from fer_utils.models.weights import Trained
from fer_utils.report import failures
from fer_utils.report.analysis import final_measure
from fer_utils.report.costs import face_milliseconds
from fer_utils.report.display import Table, note
from fer_utils.report.language import sentences
from fer_utils.report.publish import fill
from fer_utils.training.evaluate import Reader, labelled_part, reader

FILES = Path("figures/compression.csv")


def compressed(trained: Trained, faces: FaceSet, measure: str) -> pd.DataFrame:
    """A row a format: `format`, `bytes`, the accuracy of the file on a part of the faces, and `milliseconds` a face."""
    part, training = labelled_part(faces, measure), split(faces)[0].images
    size = weights.file_bytes(trained.net, trained.model)
    rows: list[tuple[str, int, Reader]] = [("float16", size, reader(trained, torch.device("cpu")))]
    with TemporaryDirectory() as folder:
        files = {format: Path(folder) / f"{format}.onnx" for format in FORMATS}
        export(trained, files, training)
        rows += [(format, file.stat().st_size, Reader(*open_onnx(file))) for format, file in files.items()]
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


def compression_table(table: pd.DataFrame, name: str, language: str, data: str) -> Table:
    """The smallest MobileNet and plain CNN of a results table in every format, measured here and now."""
    say, measure, faces = sentences(language), final_measure(table), load(data)
    found = []
    for model in failures.examples(table)[:2]:
        run = table[table.model == model].sort_values("seed").run.iloc[0]
        found.append(compressed(weights.open_model(run), faces, measure))
    shown = pd.concat(found)[["model", "format", "bytes", "accuracy", "milliseconds"]]
    shown["milliseconds"] = shown.milliseconds.map("{:.2f}".format)
    shown = shown.rename(columns=say | {"accuracy": say["accuracy_on"].format(measure=say[measure])})
    return Table(name, say["compression_caption"], shown, note(table, language))


def files_block(table: pd.DataFrame) -> str:
    """A Markdown table with a row a net: bytes and accuracy of its files, and milliseconds for a face."""
    values = ["bytes", "accuracy", "milliseconds"]
    wide = table.pivot(index=["parameters", "model"], columns="format", values=values)
    rows = pd.DataFrame({"model": wide.index.get_level_values("model")})
    for format in table.format.unique():
        found = zip(*(wide[value, format] for value in values), strict=True)
        rows[f"{format}: bytes, PublicTest, ms"] = [
            f"{size:,.0f}, **{hits:.4f}**, {ms:.2f}" for size, hits, ms in found
        ]
    return Table("files", "", rows).markdown().partition("\n\n")[0] + "\n"


def main() -> None:
    """Measure the compact nets that ship, and the homework's MobileNet."""
    faces = load(sys.argv[1])
    names = [name for name in weights.bundled_names() if name.startswith("compact-") and name.endswith(".fer2013")]
    rows = [compressed(weights.open_model(name), faces, "PublicTest") for name in [*names, "mobilenet-46k"]]
    table = pd.concat(rows, ignore_index=True)
    atomic_write(FILES, table.to_csv(index=False))
    fill(Path("README.md"), "files", files_block(table))


if __name__ == "__main__":
    main()
