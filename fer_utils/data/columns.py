"""The columns of a table: which of them holds what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fer_utils.data.classes import Order, named_class
from fer_utils.data.faces import SIDE_PX
from fer_utils.data.usages import part_of, words_in
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
TELLING = {
    "emotion", "emotions", "emo", "label", "labels", "class", "classes", "expression", "target", "truth", "gt", "mood",
    "sentiment", "usage", "split", "subset", "partition", "fold", "kfold", "train", "training", "test", "testing",
    "val", "valid", "validation", "dev", "eval", "holdout",
}  # fmt: skip
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


def find_columns(where: str, names: Sequence[str], order: Order = ()) -> Columns:
    """Tell what each column of a table holds.

    Raises `InputError` if none has images, or one could be labels or usages, which do not matter if `order` is None.
    """
    kinds: dict[str, list[str]] = {kind: [] for kind in KINDS}
    rest: list[str] = []
    for name in names:
        kind = kind_of(name)
        (kinds[kind] if kind else rest).append(name)
    wide = _wide(rest)
    images = kinds["image"] + wide[:1]
    if len(images) != 1 or len(kinds["id"]) > 1 or len(set(names)) < len(names):
        raise InputError(f"{where}: the columns are {quoted(list(names))}; allowed are {ALLOWED_COLUMNS}")
    ignored = [name for name in rest if name not in wide]
    if order is not None and (telling := [name for name in ignored if _is_telling(name)]):
        raise InputError(
            f"{where}: the column {quoted(telling[0])} could tell a label or a usage, but its name is not one of "
            f"{', '.join((*KINDS['label'][:3], *KINDS['usage'][:2]))}. Rename or delete it"
        )
    return Columns(
        tuple(wide or images), tuple(kinds["label"]), tuple(kinds["usage"]), next(iter(kinds["id"]), None),
        tuple(ignored),
    )  # fmt: skip


def kind_of(name: str) -> str | None:
    """What a column holds by its name, in any case and with any separators; None for other names."""
    return None if any(map(str.isdigit, name)) else KIND_OF.get("_".join(words_in(name)).lower())


def _is_telling(name: str) -> bool:
    words = {word.lower() for word in words_in(name)}
    return bool(words & TELLING) or named_class(name) is not None or part_of(name) is not None


def _wide(names: Sequence[str]) -> list[str]:
    """The names of 2,304 columns of pixels in order; empty if there are no such columns."""
    numbers = {name: int(match[1]) for name in names if (match := WIDE.fullmatch(name.strip()))}
    ordered = sorted(numbers, key=numbers.__getitem__)
    first = numbers[ordered[0]] if ordered else 0
    return ordered if [numbers[name] for name in ordered] == list(range(first, first + PIXELS)) else []
