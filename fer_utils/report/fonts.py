"""The bundled fonts of the report."""

from functools import cache
from pathlib import Path

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from fer_utils.errors import FerError

FOLDER = Path(__file__).with_name("fonts")
CHINESE = "Noto Sans CJK TC"
LATIN_EXTENDED_A = range(0x100, 0x180)  # Dvořák, Łukasz: set in Libertinus by Typst, in DejaVu by matplotlib


@cache
def families(language: str) -> list[str]:
    """The font families for a language, in the order in which matplotlib tries them."""
    for file in FOLDER.glob("*.otf"):
        font_manager.fontManager.addfont(file)
    return ["DejaVu Sans"] if language == "en" else [CHINESE, "DejaVu Sans"]


@cache
def _known() -> set[int]:
    """The characters that the fonts can draw."""
    return set(FT2Font(str(next(FOLDER.glob("*-Regular.otf")))).get_charmap()) | set(LATIN_EXTENDED_A)


def check_glyphs(text: str) -> None:
    """Raise `FerError` for a character without a glyph; Typst would draw a box."""
    missing = sorted({character for character in text if character.isprintable() and ord(character) not in _known()})
    if missing:
        raise FerError(
            f"no glyph for {' '.join(missing)}: the report's fonts have Latin, Greek, and the Traditional Chinese of "
            "Big5. Use other characters, or rename the file"
        )
