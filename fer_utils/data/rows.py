"""The rows of a table, and the faces that they make up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.classes import (
    ADVICE,
    ALLOWED_LABELS,
    LEFT_OUT,
    Order,
    class_of,
    described,
    is_number,
    named_class,
)
from fer_utils.data.faces import UNLABELLED, USAGES, FaceSet
from fer_utils.data.usages import (
    ALLOWED_USAGES,
    SHORT,
    TRAINING,
    part_at_end,
    part_in,
    part_named,
    usage_by_part,
    words_in,
)
from fer_utils.errors import InputError, quoted, shortened

OURS = ("emotion", "cls")  # names of columns whose numbers have FER2013's order: fer2013.csv's and wds_fer2013's
COURSE = "feature"  # the column of pixels of the homework's files, whose numbers have FER2013's order
MANY = 3  # different numbers from which on a missing 0 is no accident
DOUBTFUL = 0.5  # share of a column's words that are classes or parts, from which on it is not ignored
FILE_NAMES = "image.path"  # names in Hugging Face's structs of images, which are not told as ignored
LONGEST_LIST = 400  # characters of the names of ignored columns


@dataclass(frozen=True)
class Rows:
    """The content of a table, as read."""

    images: np.ndarray  # uint8 (N, 48, 48)
    labels: Mapping[str, Sequence] = field(default_factory=dict)  # columns by name: words, None for no label
    usages: Mapping[str, Sequence] = field(default_factory=dict)  # columns by name: words
    ids: Sequence | None = None
    others: Mapping[str, Sequence] = field(default_factory=dict)  # columns that are ignored
    encoded: bool = False  # image files, unlike pixels, tell nothing about the order of classes
    column: str = ""  # of the images


@dataclass
class Told:
    """What is said of a data set: how it was understood, and what was not read or is doubtful."""

    reading: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def faces_of(
    rows: Rows, path: Path, order: Order, line: Callable[[int], str], usage: str | Sequence[str] = ""
) -> FaceSet:
    """The faces of a table. `line` names a row for messages; `usage` is that of the rows, unless a column tells it.

    Labels that are numbers of unknown order, unknown words, and columns that contradict each other raise `InputError`.
    """
    told = Told()
    if ignored := ", ".join(repr(name) for name in rows.others if name != FILE_NAMES):
        told.skipped.append(f"{path}: ignored the columns {shortened(ignored, LONGEST_LIST)}")
    usages = _usages(rows, path, line, told)
    labels = np.full(len(rows.images), UNLABELLED) if order is None else _labels(rows, path, order, line, told)
    if order is not None:
        _check_unlabelled(labels, np.full(len(labels), usage) if usages is None else usages, line)
    if usages is None:
        usages = default_usage(path, labels, usage)
        told.reading.append(f"{path.name}: {' and '.join(pd.unique(usages))}")
    if order is not None:
        _check_ignored(rows, path, labels, usages)
    ids = None if rows.ids is None else np.array(["" if each is None else each for each in rows.ids], dtype=str)
    faces = FaceSet(rows.images, labels, usages, path.name, ids)
    return without_left_out(replace(faces, reading=tuple(told.reading), skipped=tuple(told.skipped)))


def without_left_out(faces: FaceSet) -> FaceSet:
    """The faces without those whose class is left out, with a note of their number; `InputError` if none is left."""
    left_out = faces.labels == LEFT_OUT
    if not left_out.any():
        return faces
    if left_out.all():
        raise InputError(f"{faces.name}: all {len(faces)} faces are of classes that --classes leaves out")
    kept = replace(faces, rows=np.arange(len(faces)))[~left_out]
    return kept.noted(f"{faces.name}: left out {left_out.sum():,} faces of classes that --classes leaves out")


def default_usage(path: Path, labels: np.ndarray, usage: str | Sequence[str] = "") -> np.ndarray:
    """A given usage, or that which the name of a file or folder tells; else Training, or PublicTest without a label."""
    if len(usage) == 0 and (part := _part_told(path)):
        usage = usage_by_part([part])[part]
    if isinstance(usage, str) and not usage:
        return np.where(labels == UNLABELLED, USAGES[1], TRAINING)
    return np.full(len(labels), usage)


def _part_told(path: Path) -> str | None:
    """The part that the name of a data set tells; in a folder's long name, its last words."""
    if path.is_dir():
        name = path.name.removesuffix(".parquet")  # Spark writes folders of this name
        return part_in(name) if len(words_in(name)) <= SHORT else part_at_end(name)
    return part_in(path.stem)


def _usages(rows: Rows, path: Path, line: Callable[[int], str], told: Told) -> np.ndarray | None:
    """The usages that the columns tell; None without such a column."""
    found = None
    for name, words in rows.usages.items():
        codes, own = _factorized(words)
        parts = [part_named(word) for word in own]
        if bad := [i for i, code in enumerate(codes) if code < 0 or parts[code] is None][:1]:
            value = quoted(words[bad[0]])
            raise InputError(f"{line(bad[0])}: {name} {value}, allowed are {ALLOWED_USAGES}. Correct or delete it")
        usages = usage_by_part(parts)
        meant = np.array([usages[str(part)] for part in parts])
        if found is not None and (meant[codes] != found).any():
            raise InputError(f"{path}: the columns {' and '.join(rows.usages)} are both the usage. Drop one of them")
        found = meant[codes]
        pairs = (f"{word} → {usage}" for word, usage in zip(own, meant, strict=True))
        told.reading.append(f"column {name}: {', '.join(pairs)}")
    return found


def _labels(rows: Rows, path: Path, order: tuple[str, ...], line: Callable[[int], str], told: Told) -> np.ndarray:
    """The classes that the columns of labels mean. Names tell the order of numbers beside them."""
    labels = np.full(len(rows.images), UNLABELLED)
    named = [name for name, words in rows.labels.items() if not all(map(is_number, _factorized(words)[1]))]
    for i, name in enumerate(named or rows.labels):
        words = rows.labels[name]
        found, known = _classes(name, words, order, line)
        counted = {int(float(word)) for word in known if is_number(word)}
        if counted and not order:
            _check_order(name, rows, path, told, mixed=len(counted) < len(known))
        if 1 in counted and 0 not in counted and len(counted) >= MANY:
            told.skipped.append(f"{path}: {name} has numbers from 1, which count from 0. Else put - first in --classes")
        if i and (differ := np.flatnonzero(found != labels)).size:
            raise InputError(
                f"{line(differ[0])}: {' and '.join(rows.labels)} are different classes. Delete one of them"
            )
        labels = found
        told.reading.append(f"column {name}: {described(sorted(known), order)}")
    for name in set(rows.labels) - set(named) if named else ():
        numbers, _ = _factorized(rows.labels[name])
        pairs = set(zip(numbers.tolist(), labels.tolist(), strict=True))
        if len(pairs) != len({number for number, _ in pairs}) or len(pairs) != len({label for _, label in pairs}):
            raise InputError(f"{path}: {' and '.join(rows.labels)} are different classes. Delete one of them")
    return labels


def _check_unlabelled(labels: np.ndarray, usages: np.ndarray, line: Callable[[int], str]) -> None:
    """Refuse a label that is missing where other faces of the same usage have one: it may have been lost."""
    missing = labels == UNLABELLED
    for usage in np.unique(usages[missing]):
        own = usages == usage
        if not missing[own].all():
            row = int(np.flatnonzero(missing & own)[0])
            others = f"others of {usage}" if usage else "others"
            raise InputError(f"{line(row)}: no label, but {others} have one. Correct or delete it")


def _classes(name: str, words: Sequence, order: tuple[str, ...], line: Callable[[int], str]) -> tuple[np.ndarray, list]:
    """The classes that a column of labels means, and its different words."""
    codes, own = _factorized(words)
    classes = [class_of(word, order) for word in own]
    if bad := [i for i, code in enumerate(codes) if code >= 0 and classes[code] is None][:1]:
        allowed = ALLOWED_LABELS if not order else f"the numbers or names of {', '.join(order)}"
        value = quoted(words[bad[0]])
        raise InputError(f"{line(bad[0])}: {name} {value}, allowed are {allowed}. Correct it, or {ADVICE}")
    return np.array([*classes, UNLABELLED], np.int64)[codes], own  # -1, for None, indexes the last


def _check_order(name: str, rows: Rows, path: Path, told: Told, *, mixed: bool) -> None:
    """Refuse numbers that need not count FER2013's classes or are mixed with names, or tell that they are taken so."""
    if mixed:
        raise InputError(f"{path}: column {quoted(name)} has names and numbers, whose classes nothing tells; {ADVICE}")
    tests = {usage for words in rows.usages.values() for usage in set(map(str, words)) & set(USAGES[1:])}
    if name.strip().lower() in OURS or tests or rows.column.strip().lower() == COURSE:
        return
    if rows.encoded:
        raise InputError(
            f"{path}: column {quoted(name)} has numbers, and nothing tells their classes: many files count them in "
            f"alphabetical order. If they are FER2013's, or whatever they are, {ADVICE}"
        )
    told.skipped.append(f"{path}: {name} has numbers, taken in FER2013's order (0 angry, 6 neutral). Else {ADVICE}")


def _factorized(words: Sequence) -> tuple[np.ndarray, list[str]]:
    """The place of each word among the different ones, -1 for None, and these."""
    codes, own = pd.factorize(np.array([None if word is None else str(word) for word in words], object))
    return codes, list(own)


def _check_ignored(rows: Rows, path: Path, labels: np.ndarray, usages: np.ndarray) -> None:
    """Refuse to ignore a column whose words are other classes or parts of the data set than those found."""
    for name, column in rows.others.items():
        codes, own = _factorized(column)
        filled = [i for i, word in enumerate(own) if word.strip()]
        parts = [part_in(word) for word in own]
        usage_of = usage_by_part(parts)
        meanings: dict[str, tuple[list, np.ndarray, bool]] = {
            "labels": ([named_class(word) for word in own], labels, bool(rows.labels)),
            "usages": ([part and usage_of[part] for part in parts], usages, bool(rows.usages)),
        }
        for kind, (meant, found, told) in meanings.items():
            share = np.mean([meant[i] is not None for i in filled]) if filled else 0
            if not (share == 1 or (share >= DOUBTFUL and not told)):
                continue
            known = np.array([code >= 0 and meant[code] is not None for code in codes])
            if (np.array([*meant, None], object)[codes][known] != found[known]).any():
                raise InputError(f"{path}: the column {quoted(name)} seems to hold {kind}. Name it so, or delete it")
