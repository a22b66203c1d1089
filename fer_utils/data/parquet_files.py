"""Faces in Parquet files, as Hugging Face, webdatasets and pandas write them."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from fer_utils.data.columns import PIXELS, Columns, Rows, faces_of, find_columns
from fer_utils.data.csv_files import split_pixels, whole_numbers
from fer_utils.data.faces import SIDE_PX, UNLABELLED, FaceSet
from fer_utils.data.pictures import gray_faces, read_all
from fer_utils.errors import InputError, quoted

MOST_FACES = 1_000_000
BATCH_ROWS = 1024


def read_parquet(path: Path, order: tuple[str, ...] = (), usage: str = "") -> FaceSet:
    """Read a column of images, and columns of labels, usages and ids if there are such; `usage` is for lack of one.

    Images are files as bytes, structs with such `bytes`, or pixels: lists, texts or 2,304 columns. Labels are names or
    numbers; if Hugging Face's metadata name the classes, numbers follow these, else `order`.
    """
    with pyarrow.parquet.ParquetFile(path) as file:
        count, names = file.metadata.num_rows, file.schema_arrow.names
        columns = find_columns(str(path), names)
        if not 0 < count <= MOST_FACES:
            raise InputError(f"{path}: {count:,} rows; allowed are 1 to {MOST_FACES:,}")
        images: list[np.ndarray] = []
        rest = []
        for batch in file.iter_batches(BATCH_ROWS):
            images.append(_images(batch, columns, path, sum(len(each) for each in images)))
            rest.append(batch.drop_columns(list(columns.images)))
        schema = file.schema_arrow
    table = pa.Table.from_batches(rest)
    words = {name: _words(table, name, schema) for name in table.column_names}
    encoded = len(columns.images) == 1 and _is_encoded(schema.field(columns.images[0]).type)
    rows = Rows(
        np.concatenate(images),
        {name: words[name] for name in columns.labels},
        {name: words[name] for name in columns.usages},
        words[columns.id] if columns.id else None,
        {name: words[name] for name in columns.ignored},
        encoded,
    )
    return faces_of(rows, path, order, lambda row: f"{path}, row {row}", usage)


def _is_encoded(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _images(batch: pa.RecordBatch, columns: Columns, path: Path, start: int) -> np.ndarray:
    """The images of some rows, of which the first has the number `start`."""
    if len(columns.images) > 1:
        flat = np.stack([np.asarray(batch[name]) for name in columns.images], axis=1)
        return gray_faces(flat.reshape(-1, SIDE_PX, SIDE_PX), f"{path}, rows {start} to {start + len(batch) - 1}")
    (name,) = columns.images
    column = batch[name]
    kind = column.type
    if pa.types.is_struct(kind) and "bytes" in kind.names:
        column = column.field("bytes")
    if _is_bytes(column.type):
        encoded = [io.BytesIO(image or b"") for image in column.to_pylist()]
        return read_all(encoded, (f"{path}, row {start + i}" for i in range(len(encoded))))
    if not (pa.types.is_nested(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        allowed = "image files as bytes, or pixels as text or lists"
        raise InputError(f"{path}: column {name!r} has type {kind}; expected are {allowed}")
    return np.stack([_pixels(value, f"{path}, row {start + i}") for i, value in enumerate(column.to_pylist())])


def _pixels(value: str | list | dict | None, where: str) -> np.ndarray:
    """The image of a text or of nested lists."""
    try:
        text = isinstance(value, str)
        flat = whole_numbers(split_pixels(pa.array([value]))[0].values) if text else np.array(value)
        if flat.size == PIXELS:
            flat = flat.reshape(SIDE_PX, SIDE_PX)
    except ValueError:
        found = f"{quoted(value)} as image"
        raise InputError(
            f"{where}: {found}; expected are {PIXELS} pixels of 0..255. Correct or delete the row"
        ) from None
    return gray_faces(flat[None], where)[0]


def _words(table: pa.Table, name: str, schema: pa.Schema) -> Sequence:
    """The values of a column; numbers of classes as their names, where the metadata have them."""
    values = [None if v != v or v == UNLABELLED else v for v in table[name].to_pylist()]  # NaN is not itself
    classes = _class_names(schema, name)
    if not classes:
        return values
    return [classes[v] if isinstance(v, int) and 0 <= v < len(classes) else v for v in values]


def _class_names(schema: pa.Schema, name: str) -> list[str]:
    """The names of the classes of a column of numbers in Hugging Face's metadata; empty without such."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return [str(each) for each in about["info"]["features"][name]["names"]]
    except (KeyError, TypeError, ValueError):  # no metadata, or not of classes
        return []
