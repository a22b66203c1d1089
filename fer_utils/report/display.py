"""What a notebook shows: figures and tables that know their name, their caption and their data.

Each is one display output. JupyterLab draws its picture or HTML; the exporters find name and caption in the metadata
and take the Markdown, the SVG or the CSV.
"""

import html
import io
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure as Drawing

METADATA = "fer_utils"
DEMO = "Demo faces, drawn and not photographed: the numbers say nothing about FER2013."


def is_demo(table: pd.DataFrame) -> bool:
    """Whether any result of a results table is from the demo faces."""
    return bool((table.data == "demo").any())


@dataclass(frozen=True)
class Text:
    """A text in Markdown, which opens with a note where it tells demo results."""

    text: str
    demo: bool

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = f"*{DEMO}*\n\n{self.text}" if self.demo else self.text
        return {"text/markdown": shown, "text/plain": shown}, {METADATA: {"text": self.text, "demo": self.demo}}


@dataclass(frozen=True)
class Figure:
    """A drawing, with the data that it shows."""

    name: str
    caption: str
    drawing: Drawing
    data: pd.DataFrame
    demo: bool

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = {
            "image/svg+xml": self._draw("svg", metadata={"Date": None}).decode(),
            "image/png": b64encode(self._draw("png", dpi=160)).decode(),
            "text/csv": self.data.to_csv(index=False),
            "text/plain": self.caption,
        }
        return bundle, {METADATA: {"figure": self.name, "caption": self.caption, "demo": self.demo}}

    def _draw(self, format: str, **options: Any) -> bytes:
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": METADATA}):  # the same bytes each time
            self.drawing.savefig(file, format=format, bbox_inches="tight", **options)
        return file.getvalue()


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers."""

    name: str
    caption: str
    data: pd.DataFrame
    demo: bool = False

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = {"text/html": self.html(), "text/markdown": self.markdown(), "text/plain": self.data.to_string()}
        return bundle, {METADATA: {"table": self.name, "caption": self.caption, "demo": self.demo}}

    def markdown(self) -> str:
        """The table in pandoc's Markdown, with its caption."""
        marks = ["---:" if dtype.kind in "iuf" else ":---" for dtype in self.data.dtypes]
        lines = [self.data.columns, marks, *self._cells()]
        rows = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines]
        return "\n".join(rows) + f"\n\n: {self.caption} {{#tbl-{self.name}}}\n"

    def html(self) -> str:
        """The table for a notebook."""
        shown = pd.DataFrame(self._cells(), columns=self.data.columns)
        return f"<p>{html.escape(self.caption)}</p>{shown.to_html(index=False, border=0)}"

    def _cells(self) -> list[list[str]]:
        return [[written(value) for value in row] for row in self.data.to_numpy(dtype=object)]


def written(value: object) -> str:
    """A number as people write it: whole ones with commas, fractions with 4 digits, a dash for none."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}"
