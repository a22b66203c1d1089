"""The bundled typefaces of the report."""

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
    """The font families that matplotlib tries for a language, in this order."""
    for file in FOLDER.glob("*.otf"):
        font_manager.fontManager.addfont(file)
    return ["DejaVu Sans"] if language == "en" else [CHINESE, "DejaVu Sans"]


@cache
def _known() -> set[int]:
    """The characters with a glyph."""
    return set(FT2Font(str(next(FOLDER.glob("*-Regular.otf")))).get_charmap()) | set(LATIN_EXTENDED_A)


def check_glyphs(text: str) -> None:
    """Raise `FerError` for a character without a glyph, which Typst would silently draw as a box."""
    missing = sorted({character for character in text if character.isprintable() and ord(character) not in _known()})
    if missing:
        raise FerError(
            f"no glyph for {' '.join(missing)}: the report's fonts have Latin, Greek, and the traditional Chinese of "
            "Big5. Take other characters, or another name"
        )
