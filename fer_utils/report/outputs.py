"""The outputs of notebooks: texts, figures and tables with captions and data.

Each is one display output. JupyterLab draws its picture or HTML. The exporters find name and caption in the metadata
and take the Markdown, the SVG or the CSV.
"""

import html
import io
import re
import warnings
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib
import pandas as pd
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure as Drawing

from fer_utils.analysis.summary import is_demo, is_earlier
from fer_utils.files import atomic_write
from fer_utils.report.language import labels, minus

METADATA = "fer_utils"
WRAPPED_WIDTH = 8  # columns of a head in Chinese


def note(table: pd.DataFrame, language: str) -> str:
    """A note on results on demo faces or of networks that were not trained alike; else empty."""
    strings = labels(language)
    return strings["demo"] if is_demo(table) else strings["earlier"] if is_earlier(table) else ""


def is_interactive() -> bool:
    """Whether a person runs this notebook: batch runs cannot ask for input, and say so with each cell."""
    return bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", False))


@dataclass(frozen=True)
class Text:
    """A text in Markdown, with a note before it, if any."""

    text: str
    note: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = f"*{self.note}*\n\n{self.text}" if self.note else self.text
        return {"text/markdown": shown, "text/plain": shown}, {METADATA: {"text": self.text, "note": self.note}}


@dataclass(frozen=True)
class Absent:
    """Why a figure or table is missing: told in a notebook, left out of the report."""

    reason: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"text/markdown": f"*{self.reason}*", "text/plain": self.reason}, {METADATA: {"text": ""}}


@dataclass(frozen=True)
class Figure:
    """A drawing, with the data that it shows."""

    name: str
    caption: str
    drawing: Drawing
    data: pd.DataFrame
    note: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        picture, caption = b64encode(png(self.drawing)).decode(), html.escape(self.caption)
        bundle = {
            "image/svg+xml": _draw(self.drawing, "svg", metadata={"Date": None}).decode(),
            "image/png": picture,
            "text/html": f'<img src="data:image/png;base64,{picture}" style="max-width: 50em"><p>{caption}</p>',
            "text/csv": self.data.to_csv(index=False),
            "text/plain": self.caption,
        }
        return bundle, {METADATA: {"figure": self.name, "caption": self.caption, "note": self.note}}


def png(drawing: Drawing) -> bytes:
    """A drawing as a PNG picture."""
    return _draw(drawing, "png", dpi=160)


def _draw(drawing: Drawing, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    # The same bytes each time. A character without a glyph is an error, not a box.
    with matplotlib.rc_context({"svg.hashsalt": METADATA}), warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph .* missing")
        drawing.savefig(file, format=format, bbox_inches="tight", **options)
    return file.getvalue()


def write_figure(name: str, bundle: Mapping[str, str], folder: Path) -> None:
    """Write a figure as .svg and .png, and its data as .csv."""
    for suffix, kind in {"svg": "image/svg+xml", "csv": "text/csv"}.items():
        atomic_write(folder / f"{name}.{suffix}", re.sub(r"[ \t]+$", "", bundle[kind], flags=re.MULTILINE))
    atomic_write(folder / f"{name}.png", b64decode(bundle["image/png"]))


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers."""

    name: str
    caption: str
    data: pd.DataFrame
    note: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = {"text/html": self.html(), "text/markdown": self.markdown(), "text/plain": self.data.to_string()}
        return bundle, {METADATA: {"table": self.name, "caption": self.caption, "note": self.note}}

    def markdown(self) -> str:
        """The table in pandoc's Markdown, with its caption."""
        cells = self._cells()
        marks = []
        columns = [[row[place] for row in cells] for place in range(len(self.data.columns))]
        for name, dtype, column in zip(self.data.columns, self.data.dtypes, columns, strict=True):
            # In a wide table, pandoc divides the page by the numbers of dashes; a head may wrap between words.
            dashes = "-" * max(3, *map(_width, column), *map(_least_width, str(name).split()))
            marks.append(f"{dashes}:" if dtype.kind in "iuf" else f":{dashes}")
        lines = [self.data.columns, marks, *cells]
        rows = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join(rows) + f"\n\n: {self.caption} {{#tbl-{self.name}}}\n"

    def html(self) -> str:
        """The table for a notebook."""
        shown = pd.DataFrame(self._cells(), columns=self.data.columns)
        return f"<p>{html.escape(self.caption)}</p>{shown.to_html(index=False, border=0)}"

    def _cells(self) -> list[list[str]]:
        return [[written(value) for value in row] for row in self.data.to_numpy(dtype=object)]


def _width(text: str) -> int:
    """The width of a text in columns: East Asian characters are twice as wide."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _least_width(word: str) -> int:
    """The width that a word of a head needs: East Asian text may break after any character."""
    return len(word) if _width(word) == len(word) else min(_width(word), WRAPPED_WIDTH)


def written(value: object) -> str:
    """Format a cell: integers with commas, fractions with 4 digits, a dash for none."""
    if isinstance(value, str):
        return minus(value)
    if pd.isna(value):
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}"
