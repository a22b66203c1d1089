"""The classes that labels name, by the words that people use for them or by numbers in a given order."""

import re

from fer_utils.data.faces import CLASSES, UNLABELLED
from fer_utils.errors import InputError, unknown

SYNONYMS = {
    "angry": ("anger",), "disgust": ("disgusted",), "fear": ("fearful", "afraid", "scared"),
    "happy": ("happiness", "joy"), "sad": ("sadness",), "surprise": ("surprised",), "neutral": (),
}  # fmt: skip
NAMES = {word: i for i, name in enumerate(CLASSES) for word in (name, *SYNONYMS[name])}
ENDINGS = ("", "face", "faces", "image", "images")  # as in `happy_faces`
NUMBER = re.compile(r"(\d{1,9})(\.0*)?")
Order = tuple[str, ...] | None  # names of the classes by number; empty for FER2013's; None: labels are not read
LEFT_OUT = -2  # the label of a face whose class is left out
DASH = "-"  # in an order of classes: leave this class out
ALLOWED_LABELS = f"0..{len(CLASSES) - 1} ({', '.join(CLASSES)}) or such names"
ADVICE = f"give the order of the classes with --classes, such as {','.join(CLASSES)} (- leaves a class out)"


def parse_order(text: str) -> tuple[str, ...]:
    """The names of the classes with the numbers 0, 1, 2 and so on, from a comma-separated text; empty for none.

    `-` leaves a class out. Raises `InputError` for unknown and repeated names.
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    order = [DASH if word == DASH else _name(word) for word in words]
    names = [name for name in order if name != DASH]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"classes {text!r}: {repeated[0]} stands there twice. Name each class once, or write {DASH}")
    if words and not names:
        raise InputError(f"classes {text!r} leaves out all classes: {ADVICE}")
    return tuple(order)


def _name(word: str) -> str:
    number = named_class(word)
    if number is None:
        raise unknown("class", word, CLASSES, f"{DASH} leaves a class out")
    return CLASSES[number]


def named_class(word: str) -> int | None:
    """The class that a word names, in any case and with numbers, separators or `faces` around it; else None."""
    letters = re.sub(r"[\W\d_]", "", word.lower())
    return next((NAMES[short] for ending in ENDINGS if (short := letters.removesuffix(ending)) in NAMES), None)


def class_of(word: str, order: tuple[str, ...]) -> int | None:
    """The class that a label means: a number counts in `order`, or in ours without one; a name names itself.

    `LEFT_OUT` for a class that the order leaves out, which are also unknown names if there is a `-`. None for a label
    that cannot be understood.
    """
    word = word.strip()
    if number := NUMBER.fullmatch(word):
        known, place = order or CLASSES, int(number[1])
        if place >= len(known):
            return None
        return LEFT_OUT if known[place] == DASH else CLASSES.index(known[place])
    named = named_class(word)
    if named is not None and (not order or CLASSES[named] in order):
        return named
    return LEFT_OUT if named is None and word and DASH in order else None


def is_number(word: str) -> bool:
    """Whether a label is the number of a class."""
    return NUMBER.fullmatch(word.strip()) is not None


def described(words: list[str], order: tuple[str, ...]) -> str:
    """How labels were understood, for `fer data`: each word with its class."""
    names = {LEFT_OUT: "left out", UNLABELLED: "no label"} | dict(enumerate(CLASSES))
    classes = {word: class_of(word, order) for word in words}
    return ", ".join(f"{word} → {names[number]}" for word, number in classes.items() if number is not None)
