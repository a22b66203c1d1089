"""The typefaces of the report, which ship with the package, so that a page looks the same everywhere."""

from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from fer_utils.errors import FerError

FOLDER = Path(__file__).with_name("fonts")
CHINESE = "Noto Sans CJK TC"
LATIN_EXTENDED_A = range(0x100, 0x180)  # Dvořák, Łukasz: Typst has them in Libertinus, matplotlib in DejaVu


@cache
def families(language: str) -> list[str]:
    """What matplotlib draws the labels of a language with: the first that has the character."""
    for file in FOLDER.glob("*.otf"):
        font_manager.fontManager.addfont(file)
    return ["DejaVu Sans"] if language == "en" else [CHINESE, "DejaVu Sans"]


@cache
def _known() -> set[int]:
    """The characters that any page can show."""
    return set(FT2Font(str(next(FOLDER.glob("*-Regular.otf")))).get_charmap()) | set(LATIN_EXTENDED_A)


def check_glyphs(text: str) -> None:
    """Raise `FerError` for a text with a character that would come out as a box: Typst itself does not tell."""
    missing = sorted({character for character in text if character.isprintable() and ord(character) not in _known()})
    if missing:
        raise FerError(
            f"no glyph for {' '.join(missing)}: the report's fonts have Latin, Greek, and the traditional Chinese of "
            "Big5. Take other characters, or another name"
        )
