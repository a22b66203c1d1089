"""The part of a data set that a face belongs to, by the words that people use for it."""

import re
from collections.abc import Iterable

from fer_utils.data.faces import USAGES

TRAINING, PUBLIC, PRIVATE = USAGES
TEST, VALIDATION = "test", "validation"  # parts whose usage depends on what else there is
WORDS = {
    "train": TRAINING, "training": TRAINING, "publictest": PUBLIC, "privatetest": PRIVATE,
    **dict.fromkeys(("test", "tests", "testing", "tst", "eval", "evaluation", "holdout"), TEST),
    **dict.fromkeys(("validation", "validate", "val", "valid", "dev", "development"), VALIDATION),
}  # fmt: skip
WHOLE = {"public": PUBLIC, "private": PRIVATE}  # words that tell it only if there is no other
ENDINGS = ("", "set", "data", "split", "images", "faces")  # as in `test_set` or `Test Data`
ALLOWED_USAGES = f"{', '.join(USAGES)}, or words such as train, val and test"
SHORT = 2  # words of a folder's name in which `test` is no accident


def words_in(name: str) -> list[str]:
    """The words of a name, parted by separators, numbers and capitals, as in `ferTest_2` or `FERTest`."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+", name)


def part_of(name: str) -> str | None:
    """The part that a word names, in any case and with any separators; None for other words."""
    word = re.sub(r"[\W\d_]", "", name.lower())
    return next((WORDS[short] for ending in ENDINGS if (short := word.removesuffix(ending)) in WORDS), None)


def part_named(name: str) -> str | None:
    """The part that a name is a word for."""
    return part_of(name) or WHOLE.get(name.strip().lower())


def part_in(name: str) -> str | None:
    """The part that a file's or folder's name contains as words of its own, such as `fer_test`; None if several."""
    if part := part_named(name):
        return part
    words = words_in(name)
    runs = [(i, j) for i in range(len(words)) for j in range(len(words), i, -1)]
    found = {(i, j): part for i, j in runs if (part := part_of("".join(words[i:j])))}
    # The longest run of words counts: `public test` is not any test.
    longest = {
        part for (i, j), part in found.items() if not any(a <= i and j <= b for a, b in found if (a, b) != (i, j))
    }
    return longest.pop() if len(longest) == 1 else None


def part_at_end(name: str) -> str | None:
    """The part that the last words of a name tell, such as `raf_db_test`."""
    words = words_in(name)
    ends = (part_of("".join(words[place:])) for place in range(len(words)))
    return next(filter(None, ends), None)


def part_in_parts(names: Iterable[str]) -> str | None:
    """The part of the data set that the last of some names tells; None if none does."""
    return next((part for name in reversed(list(names)) if (part := part_in(name))), None)


def usage_by_part(parts: Iterable[str | None]) -> dict[str, str]:
    """The usage of each part: a test is PublicTest, but PrivateTest beside a validation set, which is PublicTest."""
    parts = set(parts)
    return {usage: usage for usage in USAGES} | {
        VALIDATION: PUBLIC,
        TEST: PRIVATE if {VALIDATION, PUBLIC} & parts else PUBLIC,
    }
