"""The report's languages: a folder of labels and Jinja templates for each."""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from fer_utils.errors import check_name

FOLDER = Path(__file__).with_name("templates")
LANGUAGES = tuple(sorted(folder.name for folder in FOLDER.iterdir()))
FILTERS: dict[str, Callable[[Any], str]] = {
    "whole": "{:,}".format,
    "capitalize_first": lambda text: text[:1].upper() + text[1:],
    "accuracy": "{:.3f}".format,
    "points": "{:.1f}".format,
    "signed": "{:+z.1f}".format,
    "ratio": "{:.1f}".format,
    "precise_ratio": "{:.2f}".format,
    "millions": lambda number: f"{number / 1e6:.1f}",
    "percent": lambda share: f"{100 * share:.0f}",
    "whole_percent": lambda percent: f"{math.ceil(percent)}",  # an upper bound
}
MACROS = '{% from "macros.md" import seeds, epochs with context %}'


class Labels(dict[str, str]):
    """The labels and captions of a language by key; call it to fill the slots."""

    def __init__(self, language: str):
        folder = FOLDER / check_name("language", language, LANGUAGES)
        super().__init__(tomllib.loads((folder / "labels.toml").read_text(encoding="utf-8")))
        self.templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self.templates.filters |= FILTERS | {"label": self.__getitem__, "known": lambda name: self.get(name, name)}
        self.templates.globals["label"] = self.__getitem__

    def __call__(self, key: str, **facts: Any) -> str:
        """The label `key` with facts in its slots."""
        return minus(self.templates.from_string(MACROS + self[key]).render(facts))


labels = cache(Labels)


def render(name: str, facts: Mapping[str, Any], language: str) -> str:
    """The Markdown of a template, such as `sweep`, with facts in its slots.

    A missing fact is an error.
    """
    text = labels(language).templates.get_template(f"{name}.md").render(facts)
    return minus(re.sub(r"\n{3,}", "\n\n", text).strip())


def minus(text: str) -> str:
    """The text with minus signs, not hyphens, before negative numbers."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", text)
