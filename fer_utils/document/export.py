"""Convert an executed notebook to PDF and to one HTML file.

Cells -> pandoc's Markdown -> its tree -> Typst or HTML. Both exporters also work in nbconvert:
`jupyter nbconvert --to typstpdf notebook.ipynb`, or `--to reporthtml`.
"""

import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst
from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from traitlets.log import get_logger

from fer_utils.document.cells import outputs, read_cells, refuse_unfinished, tags
from fer_utils.document.page import fit
from fer_utils.document.tree import Tree, pandoc, text_of
from fer_utils.errors import FerError
from fer_utils.files import atomic_write
from fer_utils.report.fonts import check_glyphs, folders, typst_families
from fer_utils.report.language import LANGUAGES, labels
from fer_utils.report.outputs import METADATA, write_figure

HERE = Path(__file__).parent
CIRCLED = re.compile(r"\b(dot|times|minus|dash)\.circle\b")  # symbols that Typst has since renamed
TYPST = "typst-smart"  # pandoc sets the quotes; Typst would turn one after a digit into a prime


def check_markdown(nb: NotebookNode, folder: Path) -> None:
    """Raise `FerError` if the Markdown has a missing picture or unknown character.

    `folder` has the pictures of the notebook.
    """
    only = nb | {"cells": [cell for cell in nb.cells if cell.cell_type == "markdown"]}
    fit(Tree(read_cells(NotebookNode(only), _silent), folder, _silent))


def _silent(text: str) -> None:
    """What is left out of a notebook that is only checked is told later."""


class _PandocExporter(Exporter):
    """Base of the exporters: executed notebook -> pandoc's tree -> document."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kwargs: Any) -> tuple[Any, dict]:
        """Return the document, and resources that name its extension.

        What is left out is told as a warning. Raises `FerError` for a notebook that failed or was not run, and for what
        cannot be shown.
        """
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)  # runs the notebook with --execute
        refuse_unfinished(nb)
        about = _about(nb)
        _translate(nb, language_of(nb))
        tell = get_logger().warning
        tree = Tree(read_cells(nb, tell), Path(resources["metadata"].get("path", "")), tell)
        with TemporaryDirectory() as folder:
            for name, content in tree.cells.pictures.items():
                (Path(folder) / name).write_bytes(content)
            document = self.convert(tree, about, Path(folder))
        return document, {**resources, "output_extension": self.file_extension, "outputs": {}}

    def convert(self, tree: Tree, about: dict[str, str], folder: Path) -> bytes | str:
        """The document from a tree whose pictures are in `folder`."""
        raise NotImplementedError


def language_of(nb: NotebookNode) -> str:
    """The language in the notebook's parameters; English by default."""
    language = nb.metadata.get(METADATA, {}).get("language", "en")
    for cell in nb.cells:
        if tags(cell) & {"parameters", "injected-parameters"}:
            for found in re.finditer(r"""^language\b[^=\n]*=\s*["']([\w-]+)["']""", cell.source, re.MULTILINE):
                language = found[1]
    return language if language in LANGUAGES else "en"


def _translate(nb: NotebookNode, language: str) -> None:
    """Translate the project's headings and questions into the report's language.

    An edited text stays as it is.
    """
    english, own = labels("en"), labels(language)
    for cell in nb.cells:
        if key := cell.metadata.get(METADATA, {}).get("label"):
            cell.source = cell.source.replace(english[key], own[key])


def _about(nb: NotebookNode) -> dict[str, str]:
    """What the templates show of a report: its title and so on, and the note of most results, if any."""
    about, language = nb.metadata.get(METADATA, {}), language_of(nb)
    own = {name: about.get(name, "") for name in ("subtitle", "author", "date")}
    title = about.get("title") or nb.metadata.get("title", "")
    return {"title": title, **own, "running": _running_note(nb), "language": language}


def _running_note(nb: NotebookNode) -> str:
    """The note of most outputs: that of a few is not the report's."""
    notes = [
        about.get("note", "") for output in outputs(nb.cells) if (about := output.get("metadata", {}).get(METADATA))
    ]
    return max(notes, key=notes.count, default="")


class TypstPDFExporter(_PandocExporter):
    """PDF by pandoc and Typst: numbered, with vector figures, without code."""

    export_from_notebook = "PDF via Typst"
    output_mimetype = "application/pdf"

    def _file_extension_default(self) -> str:
        return ".pdf"

    def convert(self, tree: Tree, about: dict[str, str], folder: Path) -> bytes:
        """The PDF; the same tree gives the same bytes.

        Raises `FerError` on any error or warning of Typst.
        """
        shown = " ".join(about.values())
        check_glyphs(shown)
        fit(tree, about["language"])
        families = typst_families(shown + "".join(text_of(block) for _, block in tree.blocks), about["language"])
        fonts = ", ".join(f'"{family}"' for family in families)
        about |= {"chinese": "yes" if about["language"] == "zh-TW" else ""}  # pandoc's `lang` has no such words
        options = ["--standalone", f"--template={HERE / 'report.typ'}", f"--variable=fonts:{fonts}"]
        typeset = partial(_typeset, tree, about, options, folder)
        try:
            return typeset()
        except FerError as error:
            raise FerError(f"{_culprit(tree, typeset)}{error}") from None


def _typeset(tree: Tree, about: dict[str, str], options: list[str], folder: Path, cell: int | None = None) -> bytes:
    """The PDF of a tree, or of one of its cells."""
    source = folder / "report.typ"
    written = CIRCLED.sub(r"\1.o", pandoc(tree.document(about, cell), TYPST, "json", *options))
    source.write_text(written, encoding="utf-8")
    try:
        document, warnings = typst.compile_with_warnings(str(source), font_paths=_fonts())
    except typst.TypstError as error:
        raise FerError(f"Typst cannot compile the report: {error.message}") from None
    if wrong := [warning.message for warning in warnings if "deprecated" not in warning.message]:
        raise FerError(f"Typst warns: {wrong[0]}. The page would be wrong")
    assert isinstance(document, bytes)
    return document


def _culprit(tree: Tree, convert: Callable[..., object]) -> str:
    """The first cell that cannot be converted by itself, as the beginning of a message; empty if each can."""
    for number in dict.fromkeys(number for number, _ in tree.blocks):
        try:
            convert(cell=number)
        except FerError as error:
            if "does not exist in the document" not in str(error):  # the place that a link leads to is in another cell
                return f"cell {number}: "
    return ""


class ReportHTMLExporter(_PandocExporter):
    """One HTML file that works offline: pictures and style are embedded."""

    export_from_notebook = "Report as one HTML file"
    output_mimetype = "text/html"

    def _file_extension_default(self) -> str:
        return ".html"

    def convert(self, tree: Tree, about: dict[str, str], folder: Path) -> str:
        """The HTML page."""
        options = ["--standalone", "--embed-resources", "--mathml", "--toc", "--toc-depth=1"]
        options += [f"--resource-path={folder}", f"--template={HERE / 'report.html'}", f"--css={HERE / 'report.css'}"]
        about |= {"pagetitle": about["title"] or "Report"}

        def convert(cell: int | None = None) -> str:
            return pandoc(tree.document(about, cell), "html5", "json", *options)

        try:
            return convert()
        except FerError as error:
            raise FerError(f"{_culprit(tree, convert)}{error}") from None


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts(include_system_fonts=False, font_paths=list(map(str, folders())))


def write_report(nb: NotebookNode, out: Path, folder: Path) -> list[Path]:
    """Write the report as PDF to `out` and as HTML next to it.

    `folder` has the pictures of the notebook's Markdown.
    """
    resources = {"metadata": {"path": str(folder)}}
    pdf, _ = TypstPDFExporter().from_notebook_node(nb, resources)
    html, _ = ReportHTMLExporter().from_notebook_node(nb, resources)
    page = out.with_suffix(".html")
    atomic_write(out, pdf)
    atomic_write(page, html)
    return [out, page]


def write_figures(notebooks: list[NotebookNode], folder: Path) -> None:
    """Write each figure of the report as .svg and .png, and its data as .csv."""
    cells = [cell for nb in notebooks for cell in nb.cells if "notebook-only" not in tags(cell)]
    for output in outputs(cells):
        if name := output.get("metadata", {}).get(METADATA, {}).get("figure"):
            write_figure(name, output.data, folder)
