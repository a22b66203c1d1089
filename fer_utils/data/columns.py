"""The columns of a table: which of them holds what, and the faces that they make up."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.classes import (
    ADVICE,
    ALLOWED_LABELS,
    LEFT_OUT,
    class_of,
    described,
    is_number,
    named_class,
)
from fer_utils.data.faces import SIDE_PX, UNLABELLED, USAGES, FaceSet
from fer_utils.data.usages import ALLOWED_USAGES, TRAINING, part_in, part_of, usage_by_part
from fer_utils.errors import InputError, quoted

PIXELS = SIDE_PX**2
KINDS = {
    "image": (
        "pixels", "pixel", "feature", "features", "image", "images", "img", "imgs", "img_bytes", "image_bytes", "bytes",
        "jpg", "jpeg", "png", "webp", "picture", "face", "faces", "x",
    ),
    "label": (
        "emotion", "emotions", "label", "labels", "class", "classes", "cls", "category", "target", "targets", "y",
        "expression", "emotion_label", "emotion_name", "class_name", "label_name", "label_text", "class_label",
    ),
    "usage": ("usage", "split", "subset", "partition", "set", "part", "phase"),
    "id": ("id", "ids"),
}  # fmt: skip
KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}
# A column whose name holds one of these words could change labels or usages, and is not passed over.
TELLING = (*KINDS["label"][:4], *KINDS["usage"], "fold", "train", "test", "expression", "emotions", "labels")
OURS = ("emotion", "cls")  # names of columns whose numbers have FER2013's order: fer2013.csv's and wds_fer2013's
WIDE = re.compile(r"(?:pixels?|px|p|x|feature|f)?[ _.-]?(\d+)", re.IGNORECASE)  # one of 2,304 columns of pixels
ALLOWED_COLUMNS = (
    f"emotion (or label), pixels (or feature, image, jpg or {PIXELS:,} columns such as pixel0), Usage (or split) and "
    "id, each at most once; pixels is required"
)


@dataclass(frozen=True)
class Columns:
    """The columns of a table by what they hold, with the table's own names."""

    images: tuple[str, ...]  # one, or one for each pixel
    labels: tuple[str, ...]
    usages: tuple[str, ...]
    id: str | None
    ignored: tuple[str, ...]


def find_columns(where: str, names: Sequence[str]) -> Columns:
    """Tell what each column of a table holds; `InputError` if none has images, or one could be labels or usages."""
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS}
    rest: list[str] = []
    for name in names:
        kind = KIND_OF.get(re.sub(r"[\W_]+", "_", name.strip().lower()))
        (kinds[kind] if kind else rest).append(name)
    wide = _wide(rest)
    images = kinds["image"] + wide[:1]
    if len(images) != 1 or len(kinds["id"]) > 1 or len(set(names)) < len(names):
        raise InputError(f"{where}: the columns are {quoted(list(names))}; allowed are {ALLOWED_COLUMNS}")
    ignored = [name for name in rest if name not in wide]
    if telling := [name for name in ignored if set(re.findall(r"[a-z]+", name.lower())) & set(TELLING)]:
        raise InputError(
            f"{where}: the column {quoted(telling[0])} could tell a label or a usage, but its name is not one of "
            f"{', '.join((*KINDS['label'][:3], *KINDS['usage'][:2]))}. Rename or delete it"
        )
    return Columns(
        tuple(wide or images), tuple(kinds["label"]), tuple(kinds["usage"]), next(iter(kinds["id"]), None),
        tuple(ignored),
    )  # fmt: skip


def _wide(names: Sequence[str]) -> list[str]:
    """The names of 2,304 columns of pixels in order; empty if there are no such columns."""
    numbers = {name: int(match[1]) for name in names if (match := WIDE.fullmatch(name.strip()))}
    ordered = sorted(numbers, key=numbers.__getitem__)
    first = numbers[ordered[0]] if ordered else 0
    return ordered if [numbers[name] for name in ordered] == list(range(first, first + PIXELS)) else []


@dataclass(frozen=True)
class Rows:
    """The content of a table, as read."""

    images: np.ndarray  # uint8 (N, 48, 48)
    labels: Mapping[str, Sequence] = field(default_factory=dict)  # columns by name: words, None for no label
    usages: Mapping[str, Sequence] = field(default_factory=dict)  # columns by name: words
    ids: Sequence | None = None
    others: Mapping[str, Sequence] = field(default_factory=dict)  # columns that are ignored
    encoded: bool = False  # image files, unlike pixels, tell nothing about the order of classes


def faces_of(rows: Rows, path: Path, order: tuple[str, ...], line: Callable[[int], str], usage: str = "") -> FaceSet:
    """The faces of a table. `line` names a row for messages; `usage` is that of all rows, unless a column tells it.

    Labels that are numbers of unknown order, unknown words, and columns that contradict each other raise `InputError`.
    """
    told, reading = _usages(rows, path, line)
    skipped = [f"{path}: ignored the columns {quoted(list(rows.others))}"] if rows.others else []
    labels = np.full(len(rows.images), UNLABELLED)
    for name, words in rows.labels.items():
        found = _labels(name, words, path, order, line)
        if (known := _factorized(words)[1]) and all(map(is_number, known)) and not (order or _is_ours(name, rows)):
            raise InputError(
                f"{path}: column {quoted(name)} has numbers, and nothing tells their classes: many files count them in "
                f"alphabetical order. If they are FER2013's, or whatever they are, {ADVICE}"
            )
        if name != next(iter(rows.labels)) and (differ := np.flatnonzero(found != labels)).size:
            raise InputError(
                f"{line(differ[0])}: {' and '.join(rows.labels)} are different classes. Delete one of them"
            )
        labels = found
        reading.append(f"column {name}: {described(sorted(known), order)}")
    _check_ignored(rows, path)
    if told is None:
        told = default_usage(path, labels, usage)
        reading.append(f"{path.name}: {' and '.join(pd.unique(told))}")
    ids = None if rows.ids is None else np.array(["" if each is None else each for each in rows.ids], dtype=str)
    faces = FaceSet(rows.images, labels, told, path.name, ids, reading=tuple(reading), skipped=tuple(skipped))
    return without_left_out(faces)


def without_left_out(faces: FaceSet) -> FaceSet:
    """The faces without those whose class is left out, with a note of their number; `InputError` if none is left."""
    left_out = faces.labels == LEFT_OUT
    if not left_out.any():
        return faces
    if left_out.all():
        raise InputError(f"{faces.name}: all {len(faces)} faces are of classes that --classes leaves out")
    kept = faces[~left_out]
    return kept.noted(f"{faces.name}: left out {left_out.sum():,} faces of classes that --classes leaves out")


def default_usage(path: Path, labels: np.ndarray, usage: str = "") -> np.ndarray:
    """A given usage, or that which the name of a file or folder tells; else Training, or PublicTest without a label."""
    if not usage and (part := part_of(path.name) if path.is_dir() else part_in(path.stem)):
        usage = usage_by_part([part])[part]
    return np.full(len(labels), usage) if usage else np.where(labels == UNLABELLED, USAGES[1], TRAINING)


def _usages(rows: Rows, path: Path, line: Callable[[int], str]) -> tuple[np.ndarray | None, list[str]]:
    """The usages that the columns tell, and how they were understood; None without such a column."""
    found = None
    told = []
    for name, words in rows.usages.items():
        codes, own = _factorized(words)
        parts = [part_of(word) for word in own]
        if bad := [i for i, code in enumerate(codes) if code < 0 or parts[code] is None][:1]:
            value = words[bad[0]]
            raise InputError(
                f"{line(bad[0])}: {name} {quoted(value)}, allowed are {ALLOWED_USAGES}. Correct or delete it"
            )
        usages = usage_by_part(parts)
        meant = np.array([usages[str(part)] for part in parts])
        if found is not None and (meant[codes] != found).any():
            raise InputError(f"{path}: the columns {' and '.join(rows.usages)} are both the usage. Drop one of them")
        found = meant[codes]
        told.append(f"column {name}: " + ", ".join(f"{word} → {usage}" for word, usage in zip(own, meant, strict=True)))
    return found, told


def _labels(name: str, words: Sequence, path: Path, order: tuple[str, ...], line: Callable[[int], str]) -> np.ndarray:
    """The classes that a column of labels means."""
    codes, own = _factorized(words)
    classes = [class_of(word, order) for word in own]
    if bad := [i for i, code in enumerate(codes) if code >= 0 and classes[code] is None][:1]:
        allowed = ALLOWED_LABELS if not order else f"the numbers or names of {', '.join(order)}"
        raise InputError(
            f"{line(bad[0])}: {name} {quoted(words[bad[0]])}, allowed are {allowed}. Correct it, or {ADVICE}"
        )
    return np.array([*classes, UNLABELLED], np.int64)[codes]  # -1, for None and NaN, indexes the last


def _factorized(words: Sequence) -> tuple[np.ndarray, list[str]]:
    """The place of each word among the different ones, -1 for None, and these."""
    codes, own = pd.factorize(np.array([None if word is None else str(word) for word in words], object))
    return codes, list(own)


def _is_ours(name: str, rows: Rows) -> bool:
    """Whether the numbers in a column of labels count FER2013's classes."""
    if not rows.encoded or name.strip().lower() in OURS:
        return True
    return any(set(map(str, words)) <= set(USAGES) for words in rows.usages.values())


def _check_ignored(rows: Rows, path: Path) -> None:
    """Refuse to ignore a column whose words are all classes or all parts of a data set."""
    for name, column in rows.others.items():
        words = _factorized(column)[1]
        for kind, known in {"labels": named_class, "usages": part_of}.items():
            if words and all(known(word) is not None for word in words):
                raise InputError(f"{path}: the column {quoted(name)} seems to hold {kind}. Name it so, or delete it")
