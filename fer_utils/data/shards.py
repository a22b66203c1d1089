"""Files of rows in a folder that together are one data set."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from fer_utils.data.arrow_files import arrow_rows
from fer_utils.data.classes import Order
from fer_utils.data.csv_files import csv_rows
from fer_utils.data.faces import FaceSet
from fer_utils.data.rows import Rows, faces_of
from fer_utils.errors import InputError

TABLES = (".csv", ".tsv")


def read_shards(path: Path, files: Sequence[Path], order: Order, usage: Sequence[str]) -> FaceSet:
    """Read Parquet and Arrow files, or CSV files, of a `usage` each, as one data set.

    Folders such as `emotion=3` are columns. Raises `InputError` if the files have different columns of labels or
    usages, unless one has no labels at all.
    """
    shards = [_rows(path, file, order) for file in files]
    first = next((shard for shard in shards if shard.labels), shards[0])
    for file, shard in zip(files, shards, strict=True):
        if (shard.labels or first.labels).keys() != first.labels.keys() or shard.usages.keys() != first.usages.keys():
            raise InputError(f"{file} has other columns of labels or usages than {files[0]}. Give them separately")
    starts = np.cumsum([0, *(len(shard.images) for shard in shards)])

    def column(kind: str, name: str) -> list:
        columns = (getattr(shard, kind).get(name, [None] * len(shard.images)) for shard in shards)
        return [word for each in columns for word in each]

    rows = Rows(
        np.concatenate([shard.images for shard in shards]),
        {name: column("labels", name) for name in first.labels},
        {name: column("usages", name) for name in first.usages},
        None if any(shard.ids is None for shard in shards) else [each for shard in shards for each in shard.ids or ()],
        {name: column("others", name) for name in dict.fromkeys(name for shard in shards for name in shard.others)},
        first.encoded,
        first.column,
    )

    def line(row: int) -> str:
        place = int(np.searchsorted(starts, row, "right")) - 1
        return f"{files[place]}, row {row - starts[place]}"

    own = [each for each, shard in zip(usage, shards, strict=True) for _ in shard.images] if any(usage) else ""
    faces = faces_of(rows, path, order, line, own)
    kept = np.arange(len(rows.images)) if faces.rows is None else faces.rows
    if own and (differ := np.flatnonzero(np.array(own)[kept] != faces.usage)).size:
        where = line(int(kept[differ[0]]))
        return faces.noted(f"{path}: {len(differ)} faces such as {where} are taken as their column says, not the file")
    return faces


def _rows(path: Path, file: Path, order: Order) -> Rows:
    if file.suffix.lower() in TABLES:
        return csv_rows(file, order)
    return arrow_rows(file, order, _partition(file.relative_to(path)))


def _partition(file: Path) -> dict[str, str]:
    """The columns that the names of a file's folders tell, such as `emotion=3`."""
    pairs = (unquote(folder).partition("=") for folder in file.parts[:-1])
    return {name: value for name, equals, value in pairs if equals}
