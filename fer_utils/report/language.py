"""The languages of the report: one file, `sentences.toml`, holds every sentence in all of them."""

import tomllib
from functools import cache
from pathlib import Path

from fer_utils.errors import check_name

FILE = Path(__file__).with_name("sentences.toml")
LANGUAGES = ("en", "zh-TW")
Say = dict[str, str]  # the sentences of a language by their keys


@cache
def sentences(language: str) -> Say:
    """The sentences of a language by their keys, with slots for `str.format`."""
    check_name("language", language, LANGUAGES)
    return {key: said[language] for key, said in tomllib.loads(FILE.read_text(encoding="utf-8")).items()}


def translated(text: str, language: str) -> str:
    """A text of a notebook that is an English sentence here, in another language; any other text as it is."""
    keys = {english: key for key, english in sentences("en").items()}
    return sentences(language)[keys[text]] if text in keys else text
