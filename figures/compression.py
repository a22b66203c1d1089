"""The size of exported networks and its cost: `python -m figures.compression DATA` in the project's folder.

It exports the bundled compact networks and mobilenet-46k, and writes `figures/compression.csv` and the README's table.
"""

import sys
from pathlib import Path

import pandas as pd

from fer_utils.analysis.compression import compressed
from fer_utils.data.load import load
from fer_utils.files import atomic_write
from fer_utils.models import weights
from fer_utils.report.outputs import Table
from figures.publish import fill

FILES = Path("figures/compression.csv")


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
