"""Faces in Parquet and Arrow files, as Hugging Face, webdatasets and pandas write them."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from fer_utils.data.classes import NUMBER, Order
from fer_utils.data.columns import PIXELS, Columns, find_columns
from fer_utils.data.csv_files import split_pixels, whole_numbers
from fer_utils.data.faces import SIDE_PX, UNLABELLED, FaceSet
from fer_utils.data.pictures import gray_faces, read_all
from fer_utils.data.rows import FILE_NAMES, Rows, faces_of
from fer_utils.errors import InputError, quoted

PARQUET, ARROW_FILE, ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"  # the first bytes of files
BYTES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary,
)  # fmt: skip
IMAGE_STARTS = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF", b"BM")  # the first bytes of files, unlike pixels
MOST_FACES = 1_000_000
BATCH_ROWS = 1024


def read_arrow(path: Path, order: Order = ()) -> FaceSet:
    """Read a column of images, and columns of labels, usages and ids if there are such.

    Images are files as bytes, structs with such `bytes`, or pixels: lists, texts or 2,304 columns. Labels are names or
    numbers; if Hugging Face's metadata name the classes, numbers follow these, else `order`.
    """
    return faces_of(arrow_rows(path, order), path, order, lambda row: f"{path}, row {row}")


def arrow_rows(path: Path, order: Order, partition: Mapping[str, str] = MappingProxyType({})) -> Rows:
    """The rows of a file, and columns of its `partition`, each with one value."""
    with _batches(path) as (count, schema, batches):
        columns = find_columns(str(path), [*schema.names, *partition], order)
        if not 0 < count <= MOST_FACES:
            raise InputError(f"{path}: {count:,} rows; allowed are 1 to {MOST_FACES:,}")
        images: list[np.ndarray] = []
        rest, file_names = [], []
        for batch in batches:
            images.append(_images(batch, columns, path, sum(len(each) for each in images)))
            file_names += _file_names(batch[columns.images[0]])
            rest.append(batch.drop_columns(list(columns.images)))
    table = pa.Table.from_batches(rest)
    words = {name: _words(table, name, schema) for name in table.column_names}
    words |= {name: [value] * count for name, value in partition.items()}
    return Rows(
        np.concatenate(images),
        {name: words[name] for name in columns.labels},
        {name: words[name] for name in columns.usages},
        words[columns.id] if columns.id else None,
        {name: words[name] for name in columns.ignored} | ({FILE_NAMES: file_names} if any(file_names) else {}),
        len(columns.images) == 1 and _is_encoded(schema.field(columns.images[0]).type),
        columns.images[0],
    )


@contextmanager
def _batches(path: Path) -> Iterator[tuple[int, pa.Schema, Iterator[pa.RecordBatch]]]:
    """The number of rows of a file, its schema, and its rows in batches."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(PARQUET):
        with pyarrow.parquet.ParquetFile(path) as parquet:
            yield parquet.metadata.num_rows, parquet.schema_arrow, parquet.iter_batches(BATCH_ROWS)
    else:
        with pa.memory_map(str(path)) as source:
            open_ipc = pa.ipc.open_file if start == ARROW_FILE else pa.ipc.open_stream
            table = open_ipc(source).read_all()
            table.validate(full=True)  # else damaged offsets would be followed
            yield table.num_rows, table.schema, iter(table.to_batches(BATCH_ROWS))


def _file_names(images: pa.Array) -> list[str | None]:
    """The names that Hugging Face's structs give the images, if any."""
    kind = images.type
    named = pa.types.is_struct(kind) and "path" in kind.names
    return images.field("path").cast(pa.string()).to_pylist() if named else [None] * len(images)


def _is_encoded(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in BYTES)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _images(batch: pa.RecordBatch, columns: Columns, path: Path, start: int) -> np.ndarray:
    """The images of some rows, of which the first has the number `start`."""
    if len(columns.images) > 1:
        flat = np.stack([np.asarray(batch[name]) for name in columns.images], axis=1)
        return gray_faces(flat.reshape(-1, SIDE_PX, SIDE_PX), f"{path}, rows {start} to {start + len(batch) - 1}")
    (name,) = columns.images
    column = batch[name]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_struct(kind) and "bytes" in kind.names:
        column = column.field("bytes")
    if _is_bytes(column.type):
        encoded = [image or b"" for image in column.to_pylist()]
        if all(len(image) == PIXELS and not image.startswith(IMAGE_STARTS) for image in encoded):
            return np.frombuffer(b"".join(encoded), np.uint8).reshape(-1, SIDE_PX, SIDE_PX)
        return read_all(map(io.BytesIO, encoded), (f"{path}, row {start + i}" for i in range(len(encoded))))
    if not (pa.types.is_nested(kind) or _is_text(kind)):
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
    values = [value.decode(errors="replace") if isinstance(value, bytes) else value for value in values]
    classes = _class_names(schema, name)
    return [classes.get(number[1], v) if (number := NUMBER.fullmatch(str(v))) else v for v in values]


def _class_names(schema: pa.Schema, name: str) -> dict[str, str]:
    """The names of the classes of a column in Hugging Face's metadata, by number; empty without such."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = about["info"]["features"][name]["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {str(number): str(each) for number, each in pairs}
    except (AttributeError, KeyError, TypeError, ValueError):  # no metadata, or not of classes
        return {}
