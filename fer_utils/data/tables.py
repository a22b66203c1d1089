"""Faces in CSV and Parquet files."""

import csv
import io
import json
import re
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from fer_utils.data.archives import DAMAGED, open_csv
from fer_utils.data.faces import CLASSES, SIDE_PX, UNLABELLED, USAGES, FaceSet
from fer_utils.data.folders import CLASS_NUMBERS
from fer_utils.data.pictures import IMAGE_KINDS, read_all
from fer_utils.data.usages import ALLOWED_USAGES, part_of, usage_by_part
from fer_utils.errors import InputError

PIXELS = SIDE_PX**2
COLUMNS = {
    "emotion": "label", "label": "label", "labels": "label", "pixels": "pixels", "feature": "pixels", "usage": "usage",
    "split": "usage", "id": "id",
}  # fmt: skip
ALLOWED_LABELS = f"0..{len(CLASSES) - 1} ({', '.join(CLASSES)})"


def read_csv(path: Path) -> FaceSet:
    """Read the columns emotion (or label), pixels (or feature), Usage and id."""
    names = _header(path)
    text = pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=False)
    options = pyarrow.csv.ReadOptions(block_size=4 << 20, column_names=names, skip_rows=1)
    try:
        with open_csv(path) as file, ThreadPoolExecutor() as pool:
            batches = pyarrow.csv.open_csv(file, options, convert_options=text)
            parts = list(pool.map(_parse, batches))
    except (pa.ArrowInvalid, ValueError):
        # The fast parser only detects a bad row; a second pass reads line by line and describes it.
        raise _first_bad_row(path, names) from None
    if not parts:
        raise InputError(f"{path}: a header and no rows. Give the complete file")
    images, labels, usage, ids = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return FaceSet(images, labels, _usages(usage), path.name, ids if "id" in names else None)


def _usages(words: np.ndarray) -> np.ndarray:
    """The usages that the words of a column mean; `ValueError` for an unknown word."""
    own, place = np.unique(words, return_inverse=True)
    parts = [part_of(word) for word in own]
    if None in parts:
        raise ValueError(f"unknown usage {own[parts.index(None)]!r}")
    usages = usage_by_part(parts)
    return np.array([usages[str(part)] for part in parts])[place]


def _header(path: Path) -> list[str]:
    try:
        with open_csv(path) as file:
            line = file.readline(1000).decode("utf-8-sig")
        if "\0" in line:
            raise ValueError("binary data")
    except (ValueError, *DAMAGED) as error:  # includes UnicodeDecodeError
        kinds = f"CSV (plain, .zip, .tar.gz, .gz or .xz), Parquet or, for `fer predict`, {IMAGE_KINDS}"
        raise InputError(f"{path}: cannot be read ({error}); allowed are {kinds}") from None
    found = [name.strip().strip('"').strip() for name in line.split(",")]
    names = [COLUMNS.get(name.lower(), name) for name in found]
    if "pixels" not in names or len(set(names)) < len(names) or not set(names) <= set(COLUMNS.values()):
        allowed = (
            "emotion (or label), pixels (or feature), Usage (or split) and id, each at most once; pixels is required"
        )
        raise InputError(f"{path}, line 1: the columns are {found}; allowed are {allowed}")
    return names


def _parse(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels, usages and ids (or empty strings); `ValueError` for a bad row."""
    pixels = pc.split_pattern(pc.utf8_trim_whitespace(batch["pixels"]), " ")
    if not pc.all(pc.equal(pc.list_value_length(pixels), PIXELS)).as_py():
        raise ValueError("a row with a wrong number of pixels")
    images = np.asarray(pc.cast(pixels.flatten(), pa.uint8())).reshape(-1, SIDE_PX, SIDE_PX)
    labels = np.full(len(images), UNLABELLED)
    if "label" in batch.schema.names:
        labels = np.asarray(pc.cast(pc.utf8_trim_whitespace(batch["label"]), pa.int64()))
        if labels.min() < 0 or labels.max() >= len(CLASSES):
            raise ValueError("a label out of range")
    usage = np.where(labels == UNLABELLED, "PublicTest", "Training")
    if "usage" in batch.schema.names:
        usage = _trimmed(batch["usage"])
        _usages(usage)
    ids = _trimmed(batch["id"]) if "id" in batch.schema.names else np.full(len(images), "")
    return images, labels, usage, ids


def _trimmed(column: pa.Array) -> np.ndarray:
    return np.array(pc.utf8_trim_whitespace(column).to_pylist(), dtype=str)


def _first_bad_row(path: Path, names: list[str]) -> InputError:
    with open_csv(path) as file:
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline=""))
        own = dict(zip(names, (name.strip() for name in next(rows)), strict=True))
        try:
            for row in rows:
                if row and (problem := _problem(dict(zip(names, row, strict=False)), len(row), own)):
                    return InputError(f"{path}, line {rows.line_num}: {problem}. Correct or delete the line")
        except csv.Error as error:
            return InputError(f"{path}, line {rows.line_num}: {error}. Check for an unclosed quote")
    return InputError(f"{path}: not a readable CSV file. Check that it is complete")


def _problem(row: dict[str, str], found: int, own: dict[str, str]) -> str | None:
    """What is wrong with a row, if anything; `own` maps our columns to the file's."""
    if found != len(own):
        return f"{found} fields, expected {len(own)} ({', '.join(own.values())})"
    if empty := [name for name in own if name != "id" and not row[name].strip()]:
        return f"the field {own[empty[0]]!r} is empty"
    if not re.fullmatch(rf"[0-{len(CLASSES) - 1}]", row.get("label", "0").strip()):
        return f"{own['label']} {row['label']!r}, allowed are {ALLOWED_LABELS}"
    if not part_of(row.get("usage", USAGES[0])):
        return f"{own['usage']} {row['usage']!r}, allowed are {ALLOWED_USAGES}"
    values = row["pixels"].strip().split(" ")
    if len(values) != PIXELS:
        return f"{len(values)} pixels, expected {PIXELS} ({SIDE_PX}x{SIDE_PX}, separated by single spaces)"
    wrong = [value for value in values if not (value.isascii() and value.isdigit() and int(value) <= 255)]
    return f"pixel {wrong[0]!r}, allowed are 0..255" if wrong else None


def read_parquet(path: Path) -> FaceSet:
    """Read the columns image (required), label (or labels, emotion), usage (or split) and id.

    Images are bytes, or structs with `bytes`. If Hugging Face metadata name the classes, labels follow their order.
    """
    table = pyarrow.parquet.read_table(path)
    names = {name.strip().lower(): name for name in table.column_names}
    if "image" not in names:
        allowed = "image (required, bytes), label (or labels, emotion), usage (or split) and id"
        raise InputError(f"{path}: the columns are {table.column_names}; expected are {allowed}")
    images = table[names["image"]].combine_chunks()
    images = images.field("bytes") if pa.types.is_struct(images.type) else images
    if not (pa.types.is_binary(images.type) or pa.types.is_large_binary(images.type)):
        raise InputError(f"{path}: column 'image' has type {images.type}; expected are image files as bytes")
    encoded = [io.BytesIO(image or b"") for image in images.to_pylist()]
    stack = read_all(encoded, (f"{path}, row {i}" for i in range(len(encoded))))
    labels = np.full(len(stack), UNLABELLED)
    if column := _column(path, names, "label"):
        given = [UNLABELLED if v is None or v != v else v for v in table[column].to_pylist()]  # NaN is not itself
        classes = _classes(path, table, column)
        _check_rows(path, "label", given, range(UNLABELLED, len(classes)), ALLOWED_LABELS)
        labels = np.array([*classes, UNLABELLED])[np.array(given, np.int64)]  # -1 indexes the last
    usage = np.where(labels == UNLABELLED, "PublicTest", "Training")
    if column := _column(path, names, "usage"):
        usage = np.array(table[column].to_pylist(), dtype=str)
        known = {word for word in set(usage.tolist()) if part_of(word)}
        _check_rows(path, column, usage.tolist(), known, ALLOWED_USAGES)
        usage = _usages(usage)
    ids = np.array(table[names["id"]].to_pylist(), dtype=str) if "id" in names else None
    return FaceSet(stack, labels, usage, path.name, ids)


def _column(path: Path, names: dict[str, str], kind: str) -> str | None:
    """The name of the column of a kind, by all names that it may have; `InputError` if there are several."""
    found = [own for name, own in names.items() if COLUMNS.get(name) == kind]
    if len(found) > 1:
        raise InputError(f"{path}: the columns {' and '.join(found)} are both the {kind}. Drop one of them")
    return found[0] if found else None


def _classes(path: Path, table: pa.Table, column: str) -> list[int]:
    """Our class for each number in a column of labels."""
    about = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    try:
        names = about["info"]["features"][column]["names"]
    except (KeyError, TypeError):  # no class names
        return list(range(len(CLASSES)))
    if unknown := [name for name in names if name.lower() not in CLASS_NUMBERS]:
        raise InputError(f"{path}: unknown class {unknown[0]!r} in the metadata; allowed are {', '.join(CLASSES)}")
    return [CLASS_NUMBERS[name.lower()] for name in names]


def _check_rows(path: Path, column: str, values: list, allowed: Container, words: str) -> None:
    for row, value in enumerate(values):
        if value not in allowed:
            raise InputError(f"{path}, row {row}: {column} {value!r}, allowed are {words}. Correct or delete the row")
