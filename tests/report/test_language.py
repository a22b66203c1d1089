import re
import tomllib
from string import Formatter

import nbformat
import pytest

from fer_utils.errors import FerError, InputError
from fer_utils.report import execute
from fer_utils.report.fonts import check_glyphs
from fer_utils.report.language import FILE, LANGUAGES, sentences, translated

SAID = tomllib.loads(FILE.read_text(encoding="utf-8"))


def slots(text: str) -> set[tuple[str, str]]:
    """The slots of a sentence, with their formats; a text of zeros stands where a number has a width of its own."""
    return {(name, form) for _, name, form, _ in Formatter().parse(text) if name and form is not None}


@pytest.mark.parametrize("key", SAID)
def test_every_sentence_is_there_in_every_language_with_the_same_slots(key: str) -> None:
    assert tuple(SAID[key]) == LANGUAGES
    names = [{name for name, _ in slots(text)} for text in SAID[key].values()]
    assert all(found == names[0] for found in names)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_is_typed_into_a_sentence(language: str) -> None:
    for key, sentence in sentences(language).items():
        words = re.sub(r"\{[^}]*\}|95\s?%|FER2013|3x3|1x1|float16|int8|questions 2 and 3|第 2、3 題", "", sentence)
        assert not re.search(r"\d", words), key


def test_chinese_is_chinese_and_has_its_punctuation() -> None:
    for key, sentence in sentences("zh-TW").items():
        words = re.sub(r"\{[^}]*\}", "", sentence)
        if re.search(r"[\u4e00-\u9fff]", words):
            assert not re.search(r"[\u4e00-\u9fff][,;:?!()]", words), key
        check_glyphs(sentence)


def test_the_notebooks_headings_and_questions_are_translated() -> None:
    for path in execute.sources():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                text = cell.source.removeprefix("# ")
                assert translated(text, "en") == text
                assert translated(text, "zh-TW") != text, text


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown language 'tlh'.* en, zh-TW"):
        sentences("tlh")


def test_a_character_without_a_glyph_is_an_error() -> None:
    check_glyphs("Café, 準確率：α ≥ 0.5")
    check_glyphs("王翊婕、陳暐瑄, Antonín Dvořák, Łukasz")  # people's names
    with pytest.raises(FerError, match="no glyph for 资 🙂: the report's fonts have"):
        check_glyphs("资料 🙂 准")
