"""Faces in CSV files, plain, compressed or archived."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from fer_utils.data.archives import DAMAGED, member_name, open_csv
from fer_utils.data.classes import Order
from fer_utils.data.columns import PIXELS, Columns, find_columns, kind_of
from fer_utils.data.faces import SIDE_PX, FaceSet
from fer_utils.data.pictures import IMAGE_KINDS
from fer_utils.data.rows import Rows, faces_of
from fer_utils.data.usages import part_in_parts, usage_by_part
from fer_utils.errors import InputError, quoted, shortened

DELIMITERS = ",;\t|"
MOST_BLANK = 20  # lines before the names of the columns
LONGEST_LINE = 1 << 20  # characters, also of a header; a row of 2,304 pixels has about ten thousand
BLOCK_BYTES = 4 << 20
NO_LABEL = ("", "-1", "nan", "none", "null")
BETWEEN_PIXELS = r"[\s\x{a0},;\[\]()]+"
ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # by the first bytes
ALLOWED = (
    f"CSV (plain, .zip, .tar.gz, .gz, .xz or .bz2), Parquet, Arrow, .npz or .npy or, for `fer predict`, {IMAGE_KINDS}"
)


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, as its first line shows."""

    names: list[str]
    delimiter: str
    encoding: str
    line: int  # of the names


def read_csv(path: Path, order: Order = ()) -> FaceSet:
    """Read a column of pixels (or 2,304), and columns of labels, usages and ids if there are such.

    Delimiter and encoding (UTF-8 or UTF-16) are those of the first line. `order` names the classes of numbers.
    """
    usage = usage_by_part([part])[part] if (part := part_in_parts(member_name(path).parts)) else ""
    rows, dialect = _read(path, order)
    return faces_of(rows, path, order, lambda row: f"{path}, line {_line(path, dialect, row)}", usage)


def csv_rows(path: Path, order: Order = ()) -> Rows:
    """The rows of a CSV file."""
    return _read(path, order)[0]


def _read(path: Path, order: Order) -> tuple[Rows, Dialect]:
    dialect = _dialect(path)
    columns = find_columns(f"{path}, line {dialect.line}", dialect.names, order)
    columns = replace(columns, labels=()) if order is None else columns
    parts = _parts(path, dialect, columns)
    if not sum(len(images) for images, _ in parts):
        raise InputError(f"{path}: a header and no rows. Give the complete file")
    images = np.concatenate([images for images, _ in parts])
    text = pa.Table.from_batches([batch for _, batch in parts])
    words = {name: text[name].to_pylist() for name in text.column_names}
    rows = Rows(
        images,
        {name: [None if word.lower() in NO_LABEL else word for word in words[name]] for name in columns.labels},
        {name: words[name] for name in columns.usages},
        words[columns.id] if columns.id else None,
        {name: words[name] for name in columns.ignored if any(words[name])},
        column=columns.images[0],
    )
    return rows, dialect


def _dialect(path: Path) -> Dialect:
    """How a file is written, by the first line that is not blank. Before it, `sep=;` may tell the delimiter."""
    delimiters, number, line = DELIMITERS, 0, ""
    try:
        with open_csv(path) as file:
            encoding = encoding_of(file.read(2))
        with open_csv(path) as file:
            text = io.TextIOWrapper(file, encoding)
            while not line and number < MOST_BLANK and (start := text.readline(LONGEST_LINE)):
                number += 1
                if len(start) == LONGEST_LINE:
                    raise ValueError(f"line {number} is longer than {LONGEST_LINE:,} characters")
                line = start.strip("\r\n\ufeff")
                if declared := re.fullmatch(r"sep=(.)", line.strip(), re.IGNORECASE):
                    delimiters = declared[1]
                line = "" if declared or not line.strip() else line
            text.detach()  # the file is closed by its own context
        if "\0" in line:
            raise ValueError("binary data")
        rows = {each: next(csv.reader([line], delimiter=each), []) for each in delimiters}
    except (ValueError, csv.Error, *DAMAGED) as error:  # includes UnicodeDecodeError
        raise InputError(f"{path}: cannot be read ({error}); allowed are {ALLOWED}") from None
    delimiter = max(rows, key=lambda each: (any(map(kind_of, map(str.strip, rows[each]))), len(rows[each])))
    names = [name.strip() for name in rows[delimiter]]
    blank = (f"(column {i})" if i > names.index("") else "" for i, name in enumerate(names) if not name)
    return Dialect([name or next(blank) for name in names], delimiter, encoding, max(1, number))


def encoding_of(start: bytes) -> str:
    """The encoding of a file by its first two bytes."""
    return ENCODINGS.get(start, "utf-8-sig")


def _parts(path: Path, dialect: Dialect, columns: Columns) -> list[tuple[np.ndarray, pa.RecordBatch]]:
    """Images and the other columns in batches, blank rows left out."""
    text = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in dialect.names}, strings_can_be_null=False
    )
    for newlines in (False, True):  # values over several lines are rare, and slow
        read = pyarrow.csv.ReadOptions(
            block_size=BLOCK_BYTES,
            column_names=dialect.names,
            skip_rows=dialect.line,
            encoding=dialect.encoding.removesuffix("-sig"),
        )
        parse = pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=newlines)
        try:
            with open_csv(path) as file, ThreadPoolExecutor() as pool:
                batches = pyarrow.csv.open_csv(file, read, parse, text)
                return list(pool.map(lambda batch: _parse(batch, columns), batches))
        except ValueError:  # includes ArrowInvalid
            pass
    # The fast parser only detects a bad row; a second pass reads line by line and describes it.
    raise _first_bad_row(path, dialect, columns)


def _parse(batch: pa.RecordBatch, columns: Columns) -> tuple[np.ndarray, pa.RecordBatch]:
    """Images and trimmed words of the other columns; `ValueError` for a bad row."""
    try:
        images = _images(batch, columns, _split_at_blanks)
    except ValueError:  # other separators, or blank rows
        batch = batch.filter(_not_blank(batch))
        images = _images(batch, columns, split_pixels)
    others = [name for name in batch.schema.names if name not in columns.images]
    words = [pc.utf8_trim_whitespace(batch[name]) for name in others]
    for name, column in zip(others, words, strict=True):
        if name in columns.usages and pc.any(pc.equal(column, "")).as_py():
            raise ValueError("an empty field")
    return images, pa.RecordBatch.from_arrays(words, others)


def _images(batch: pa.RecordBatch, columns: Columns, split: Callable[[pa.Array], pa.Array]) -> np.ndarray:
    """The images of a batch; `split` divides a text into pixels."""
    if len(columns.images) > 1:
        pixels = np.stack([whole_numbers(pc.utf8_trim_whitespace(batch[name])) for name in columns.images], axis=1)
    else:
        lists = split(batch[columns.images[0]])
        if pc.any(pc.not_equal(pc.list_value_length(lists), PIXELS)).as_py():
            raise ValueError("a row with a wrong number of pixels")
        pixels = whole_numbers(lists.flatten())
    return pixels.reshape(-1, SIDE_PX, SIDE_PX)


def _not_blank(batch: pa.RecordBatch) -> pa.Array:
    """Which rows of a batch are not blank in all columns: spreadsheets end with such rows."""
    filled = [pc.not_equal(pc.utf8_trim_whitespace(column), "") for column in batch.columns]
    return pa.array(np.any([np.asarray(each) for each in filled], axis=0))


def _split_at_blanks(text: pa.Array) -> pa.Array:
    return pc.split_pattern(pc.utf8_trim_whitespace(text), " ")


def split_pixels(text: pa.Array) -> pa.Array:
    """Split pixels that blanks, line breaks, commas or brackets separate."""
    return _split_at_blanks(pc.replace_substring_regex(text, BETWEEN_PIXELS, " "))


def whole_numbers(words: pa.Array) -> np.ndarray:
    """Texts as uint8; `ValueError` for anything but whole numbers from 0 to 255, also as 7.0."""
    try:
        return np.asarray(pc.cast(words, pa.uint8()))
    except ValueError:
        return np.asarray(pc.cast(pc.cast(words, pa.float64()), pa.uint8()))


# ---- messages ----


def _records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The rows after the header that are not blank, each with its first line; `InputError` for unreadable ones."""
    with open_csv(path) as file:
        text = io.TextIOWrapper(file, dialect.encoding, errors="replace", newline="")
        rows = csv.reader(_lines(text), delimiter=dialect.delimiter)
        first = 1
        try:
            for row in rows:
                if first > dialect.line and any(field.strip() for field in row):
                    yield first, row
                first = rows.line_num + 1
        except (csv.Error, ValueError) as error:
            raise InputError(f"{path}, line {first}: {error}. Check for an unclosed quote") from None
        finally:
            text.detach()  # the file is closed by its own context


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError(f"a line is longer than {LONGEST_LINE:,} characters")
        yield line


def _line(path: Path, dialect: Dialect, row: int) -> int:
    """The first line of a row, counted from 0 without blank ones."""
    return next(islice(_records(path, dialect), row, None))[0]


def _first_bad_row(path: Path, dialect: Dialect, columns: Columns) -> InputError:
    for line, row in _records(path, dialect):
        if problem := _problem(row, dialect.names, columns):
            return InputError(f"{path}, line {line}: {problem}. Correct or delete the line")
    return InputError(f"{path}: not a readable CSV file. Check that it is complete")


def _problem(row: list[str], names: list[str], columns: Columns) -> str | None:
    """What is wrong with a row, if anything."""
    if len(row) != len(names):
        return f"{len(row)} fields, expected {len(names)} ({shortened(', '.join(names))})"
    if any("\ufffd" in field for field in row):
        return "bytes that are not UTF-8. Save the file as UTF-8"
    fields = dict(zip(names, row, strict=True))
    needed = columns.images[:1] + columns.usages
    if empty := [name for name in needed if not fields[name].strip()]:
        return f"the field {empty[0]!r} is empty"
    text = " ".join(fields[name] for name in columns.images)
    values = split_pixels(pa.array([text]))[0].as_py()
    if len(values) != PIXELS:
        return f"{len(values)} pixels, expected {PIXELS} ({SIDE_PX}x{SIDE_PX}, separated by blanks or commas)"
    wrong = [value for value in values if not _is_pixel(value)]
    return f"pixel {quoted(wrong[0])}, allowed are 0..255" if wrong else None


def _is_pixel(text: str) -> bool:
    try:
        whole_numbers(pa.array([text]))
    except ValueError:
        return False
    return True
