"""Measure exported files.

`python -m figures.compression DATA`, in the project's folder, exports the bundled compact networks and mobilenet-46k.
It writes `fer_utils/analysis/compression.csv`; `figures.readme` fills the README's table with it.
"""

import sys

import pandas as pd

from fer_utils.analysis.compression import compressed
from fer_utils.data.load import load
from fer_utils.files import PACKAGE, atomic_write
from fer_utils.models import weights
from fer_utils.models.bundled import bundled_names

FILES = PACKAGE / "analysis" / "compression.csv"


def main() -> None:
    """Measure the bundled compact networks and mobilenet-46k."""
    faces = load(sys.argv[1])
    names = [name for name in bundled_names() if name.startswith("compact-") and name.endswith(".fer2013")]
    rows = [compressed(weights.open_model(name), faces, "PublicTest") for name in [*names, "mobilenet-46k"]]
    table = pd.concat(rows, ignore_index=True)
    atomic_write(FILES, table.to_csv(index=False))


if __name__ == "__main__":
    main()
