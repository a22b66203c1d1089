import re
from collections.abc import Iterator

import jinja2
import nbformat
import pytest
from jinja2 import nodes

from fer_utils.document import execute
from fer_utils.errors import FerError, InputError
from fer_utils.report.fonts import check_glyphs
from fer_utils.report.language import FOLDER, LANGUAGES, labels
from fer_utils.report.outputs import METADATA

TEMPLATES = sorted(file.name for file in (FOLDER / "en").glob("*.md"))
LOGIC = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
ALLOWED_DIGITS = re.compile(
    r"\$[^$]+\$|`[^`]+`|"  # formulas and code
    r"95\s?%|FER2013|fer2013|3x3|1x1|float16|8-bit|int8|V2|batch 1|questions 2 and 3|第 2、3 題|fer \(quantized\)"
)


def facts_in(text: str) -> set[str]:
    """The facts that a template uses, as `family.small.model`."""
    tree = jinja2.Environment().parse(text)
    return set(filter(None, (_path(node) for node in tree.find_all((nodes.Name, nodes.Getattr)))))


def _path(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return f"{_path(node.node)}.{node.attr}"
    return node.name if isinstance(node, nodes.Name) else ""


def texts(language: str) -> Iterator[tuple[str, str]]:
    """The names and texts of all templates and labels of a language."""
    yield from labels(language).items()
    for name in TEMPLATES:
        yield name, (FOLDER / language / name).read_text(encoding="utf-8")


def test_both_languages_have_the_same_labels_and_templates() -> None:
    assert LANGUAGES == ("en", "zh-TW")
    for language in LANGUAGES:
        assert list(labels(language)) == list(labels("en"))
        assert sorted(file.name for file in (FOLDER / language).glob("*.md")) == TEMPLATES


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_both_languages_use_the_same_facts(language: str) -> None:
    for (name, english), (_, other) in zip(texts("en"), texts(language), strict=True):
        assert facts_in(other) == facts_in(english), name


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_number_is_typed_into_a_text(language: str) -> None:
    for name, text in texts(language):
        assert not re.search(r"\d", ALLOWED_DIGITS.sub("", LOGIC.sub("", text))), name


def test_chinese_is_chinese_and_has_its_punctuation() -> None:
    for name, text in texts("zh-TW"):
        words = LOGIC.sub("", text)
        assert not re.search(r"[\u4e00-\u9fff][,;:?!()]", words), name
        check_glyphs(words)


def test_labels_have_slots() -> None:
    assert labels("en")("accuracy_on", measure="validation") == "accuracy on validation"
    assert labels("zh-TW")("accuracy_on", measure="validation") == "驗證集準確率"
    with pytest.raises(jinja2.UndefinedError):
        labels("en")("accuracy_on")


def test_the_notebooks_headings_and_questions_name_their_label() -> None:
    for path in execute.sources():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown":
                assert cell.source.removeprefix("# ") == labels("en")[cell.metadata[METADATA]["label"]]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown language 'tlh'.* en, zh-TW"):
        labels("tlh")


def test_a_character_without_a_glyph_is_an_error() -> None:
    check_glyphs("Café, 準確率：α ≥ 0.5")
    check_glyphs("王翊婕、陳暐瑄, Antonín Dvořák, Łukasz")  # people's names
    check_glyphs("资料 Отчёт ひらがな 한국어 हिन्दी 🙂 ✅ ☐ ☒ 👩‍🔬")
    with pytest.raises(
        FerError, match=r"cell 3: no glyph for 𓀀 \(U\+13000\), 𝔉 \(U\+1D509\): none of the report's fonts"
    ):
        check_glyphs("hieroglyph 𓀀 and 𝔉raktur", "cell 3")
