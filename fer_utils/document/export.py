"""Convert an executed notebook to PDF and to one HTML file.

Markdown -> pandoc -> Typst for the PDF. Both exporters also work in nbconvert:
`jupyter nbconvert --to typstpdf notebook.ipynb`, or `--to reporthtml`.
"""

import json
import re
from base64 import b64decode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import pypandoc
import typst
from nbconvert.exporters import Exporter, MarkdownExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output

from fer_utils.errors import FerError
from fer_utils.files import atomic_write
from fer_utils.report.fonts import FOLDER, check_glyphs
from fer_utils.report.language import LANGUAGES, labels
from fer_utils.report.outputs import METADATA, write_figure

TABLE_CHARACTERS = 110  # wider tables take the whole width of the page, and their cells wrap
HERE = Path(__file__).parent
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)")
# Without citations: an @ in the text is not a reference.
SAFE = f"--lua-filter={HERE / 'safe.lua'}"
PANDOC_MARKDOWN = "markdown-citations-native_divs-native_spans-markdown_in_html_blocks+pipe_tables"
TYPST = "typst-smart"  # pandoc sets the quotes; Typst would turn one after a digit into a prime
SHOWN = ("text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/html", "text/plain")


def refuse_unfinished(nb: NotebookNode) -> None:
    """Raise `FerError` if a cell failed or was not run."""
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type == "code":
            failed = [output for output in cell.outputs if output.output_type == "error"]
            if failed:
                raise FerError(f"cell {number} failed with {failed[0].ename}: {failed[0].evalue}. Fix and run it again")
            if cell.source.strip() and cell.execution_count is None:
                raise FerError(f"cell {number} was not run. Run the whole notebook first")
    if nb.metadata.get("papermill", {}).get("exception"):
        raise FerError("papermill reports that this notebook failed. Fix it and run it again")


class ShownOutputs(Preprocessor):
    """Convert outputs to Markdown and captioned pictures; drop streams and widgets."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Rewrite the outputs; pictures go to `resources["outputs"]`, by file name."""
        pictures = resources["outputs"] = {}
        for number, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                # Numbered names, for pictures without a name.
                texts = [_markdown(o, f"cell-{number}-{i}", pictures) for i, o in enumerate(cell.outputs)]
                cell.outputs = [new_output("display_data", {"text/markdown": text}) for text in texts if text]
        return nb, resources


def _markdown(output: NotebookNode, name: str, pictures: dict[str, bytes]) -> str:
    """One output in pandoc's Markdown; adds its picture, if any, to `pictures`."""
    data = output.get("data", {})
    kind = next((kind for kind in SHOWN if kind in data), None)
    if kind is None or any("widget" in kind for kind in data):
        return ""
    about = output.metadata.get(METADATA, {})
    if kind == "text/markdown":
        return about.get("text", data[kind])  # without its note, which is in the page header
    if kind == "text/html":  # such as a pandas table
        return pypandoc.convert_text(data[kind], PANDOC_MARKDOWN, "html", extra_args=["--columns=1000"])
    if kind == "text/plain":
        return f"```\n{data[kind]}\n```"
    name = about.get("figure", name)
    file = f"{name}.{'svg' if 'svg' in kind else kind.removeprefix('image/')}"
    pictures[file] = data[kind].encode() if "svg" in kind else b64decode(data[kind])
    return f"![{about.get('caption', '')}]({file}){{#fig-{name}}}"


def own_pictures(nb: NotebookNode, folder: Path) -> dict[str, bytes]:
    """The pictures in a notebook's Markdown, by new names.

    They are attachments of a cell, or files in `folder`. Their names in the text are replaced. Raises `FerError` for
    any other picture.
    """
    found: dict[str, bytes] = {}
    for cell in (cell for cell in nb.cells if cell.cell_type == "markdown"):
        for target in PICTURE.findall(cell.source):
            name = f"own-{len(found)}{Path(target).suffix}"
            if pasted := cell.get("attachments", {}).get(target.removeprefix("attachment:")):
                found[name] = b64decode(next(iter(pasted.values())))
            elif (file := (folder / unquote(target)).resolve()).is_file() and folder.resolve() in file.parents:
                found[name] = file.read_bytes()
            else:
                raise FerError(f"the picture {target} of a Markdown cell is not a file in {folder.resolve()}")
            cell.source = cell.source.replace(f"({target}", f"({name}")
    return found


def check_markdown(nb: NotebookNode, folder: Path) -> None:
    """Raise `FerError` if the Markdown has a missing picture or unknown character.

    `folder` has the pictures of the notebook.
    """
    own_pictures(nb, folder)
    text = "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    check_glyphs(pypandoc.convert_text(text, TYPST, PANDOC_MARKDOWN))


class _PandocExporter(Exporter):
    """Base of the exporters: executed notebook -> Markdown and pictures -> pandoc."""

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kwargs: Any) -> tuple[Any, dict]:
        """Return the document, and resources that name its extension.

        Raises `FerError` for a notebook that failed or was not run.
        """
        nb, resources = super().from_notebook_node(nb, resources, **kwargs)  # runs the notebook with --execute
        refuse_unfinished(nb)
        front_matter = _front_matter(nb)
        _translate(nb, language_of(nb))
        nb, resources = ShownOutputs(enabled=True)(nb, resources)
        pictures = resources["outputs"] | own_pictures(nb, Path(resources["metadata"].get("path", "")))
        exporter = MarkdownExporter(exclude_input=True)
        text, _ = exporter.from_notebook_node(nb)
        with TemporaryDirectory() as folder:
            for name, content in pictures.items():
                (Path(folder) / name).write_bytes(content)
            document = self.convert(front_matter + text, Path(folder))
        return document, {**resources, "output_extension": self.file_extension, "outputs": {}}

    def convert(self, markdown: str, folder: Path) -> bytes | str:
        """The document from Markdown whose pictures are in `folder`."""
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


def _front_matter(nb: NotebookNode) -> str:
    """Pandoc's title block, with the note of most results, if any."""
    about, language = nb.metadata.get(METADATA, {}), language_of(nb)
    lines = {"title": about.get("title") or nb.metadata.get("title", ""), "subtitle": about.get("subtitle", "")}
    lines |= {
        "author": about.get("author", ""),
        "date": about.get("date", ""),
        "running": _running_note(nb),
        "language": language,
    }
    lines |= {"chinese": "yes" if language == "zh-TW" else ""}  # pandoc's `lang` has no such words
    # JSON strings are YAML strings.
    rows = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in lines.items() if value]
    return "---\n" + "".join(rows) + "---\n\n"


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

    def convert(self, markdown: str, folder: Path) -> bytes:
        """The PDF; the same Markdown gives the same bytes.

        Raises `FerError` on any error or warning of Typst.
        """
        arguments = [f"--template={HERE / 'report.typ'}", f"--columns={TABLE_CHARACTERS}", SAFE]
        text = pypandoc.convert_text(markdown, TYPST, PANDOC_MARKDOWN, extra_args=["--standalone", *arguments])
        source = folder / "report.typ"
        source.write_text(text, encoding="utf-8")
        check_glyphs(text)
        try:
            document, warnings = typst.compile_with_warnings(
                str(source), font_paths=[str(FOLDER)], ignore_system_fonts=True
            )
        except typst.TypstError as error:
            raise FerError(f"Typst cannot compile the report: {error.message}") from None
        if warnings:
            raise FerError(f"Typst warns: {warnings[0].message}. The page would be wrong")
        assert isinstance(document, bytes)
        return document


class ReportHTMLExporter(_PandocExporter):
    """One HTML file that works offline: pictures and style are embedded."""

    export_from_notebook = "Report as one HTML file"
    output_mimetype = "text/html"

    def _file_extension_default(self) -> str:
        return ".html"

    def convert(self, markdown: str, folder: Path) -> str:
        """The HTML page."""
        options = [SAFE, "--standalone", "--embed-resources", "--mathml", "--toc", "--toc-depth=1", "--columns=1000"]
        options += [f"--resource-path={folder}", f"--template={HERE / 'report.html'}", f"--css={HERE / 'report.css'}"]
        return pypandoc.convert_text(markdown, "html5", PANDOC_MARKDOWN, extra_args=options)


def outputs(cells: list[NotebookNode]) -> list[NotebookNode]:
    """All outputs of a notebook's cells, in their order."""
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


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
