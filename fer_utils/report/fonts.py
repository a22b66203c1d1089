"""The fonts of the report: bundled ones, and those of PyPI packages for other scripts and emoji."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib import font_manager, get_data_path
from matplotlib.ft2font import FT2Font

from fer_utils.errors import FerError

FOLDER = Path(__file__).with_name("fonts")
PACKAGES = ("noto_cjk_sans_otc", "manimgx_fonts")
CHINESE = "Noto Sans CJK TC"
MATPLOTLIB = Path(get_data_path()) / "fonts" / "ttf"
SYMBOLS = {"DejaVu Sans": "DejaVuSans.ttf", "DejaVu Sans Mono": "DejaVuSansMono.ttf"}  # matplotlib's, by family
CJK = {"HIRAGANA": "Noto Sans CJK JP", "KATAKANA": "Noto Sans CJK JP", "HANGUL": "Noto Sans CJK KR"}
INVISIBLE = "\ufe0e\ufe0f\u200d\u200b\u2060"  # they shape or part other characters


@cache
def families(language: str) -> list[str]:
    """The font families for a language, in the order in which matplotlib tries them."""
    for file in FOLDER.glob("*.otf"):
        font_manager.fontManager.addfont(file)
    return ["DejaVu Sans"] if language == "en" else [CHINESE, "DejaVu Sans"]


def folders() -> list[Path]:
    """The folders of the fonts."""
    return [FOLDER, *_packages(), MATPLOTLIB]


def _packages() -> list[Path]:
    specs = [spec for name in PACKAGES if (spec := find_spec(name))]
    return [Path(place) for spec in specs for place in spec.submodule_search_locations or ()]


def typst_families(text: str, language: str) -> list[str]:
    """The font families for a text, in the order in which Typst tries them."""
    latin = "Libertinus Serif"
    first = [CHINESE, latin] if language == "zh-TW" else [latin, _chinese_of(text)]
    return list(dict.fromkeys([*first, CHINESE, *_fonts(), *SYMBOLS]))


def _chinese_of(text: str) -> str:
    """The family for the Chinese, Japanese or Korean of a text, if the bundled font lacks some of its characters."""
    scripts = {unicodedata.name(each, "").partition(" ")[0] for each in set(text)}
    if found := [family for script, family in CJK.items() if script in scripts]:
        return found[0]
    lacks = any("CJK" in unicodedata.name(each, "") and ord(each) not in _characters(FOLDER) for each in set(text))
    return "Noto Sans CJK SC" if lacks else CHINESE


@cache
def _characters(folder: Path) -> set[int]:
    """The characters that the fonts of a folder can draw."""
    files = (file for pattern in ("*.otf", "*.ttf", "*.ttc") for file in folder.glob(pattern))
    return {character for file in files for character in FT2Font(str(file)).get_charmap()}


@cache
def _fonts() -> list[str]:
    """The families in the folders of the packages."""
    return [FT2Font(str(file)).family_name for folder in _packages() for file in sorted(folder.glob("*.tt?"))]


@cache
def _symbols() -> set[int]:
    """The characters that matplotlib's fonts for symbols can draw."""
    return {character for file in SYMBOLS.values() for character in FT2Font(str(MATPLOTLIB / file)).get_charmap()}


def missing_glyphs(text: str) -> Iterator[str]:
    """The characters of a text that no font can draw, each once."""
    for character in sorted(set(text) - set(INVISIBLE)):
        known = any(ord(character) in _characters(folder) for folder in (FOLDER, *_packages()))
        known = known or ord(character) in _symbols()
        if character.isprintable() and not known:
            yield character


def check_glyphs(text: str, where: str = "") -> None:
    """Raise `FerError` for a character without a glyph; Typst would draw a box."""
    if missing := list(missing_glyphs(text)):
        codes = ", ".join(f"{character} (U+{ord(character):04X})" for character in missing[:10])
        raise FerError(
            f"{where and f'{where}: '}no glyph for {codes}: none of the report's fonts has it. Use another character, "
            "or rename the file"
        )
