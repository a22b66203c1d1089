"""The cells of an executed notebook as one text in pandoc's Markdown."""

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from fer_utils.document.formulas import environment
from fer_utils.document.markdown import for_pandoc
from fer_utils.document.pictures import add_picture
from fer_utils.errors import FerError
from fer_utils.report.outputs import METADATA

MARK = "fer-cell"  # the format of the raw blocks that tell where a cell begins
HTML = "fer-html"  # and where an output in HTML stands
KINDS = (
    "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp", "text/html", "text/latex",
    "text/plain",
)  # fmt: skip
HIDDEN = "hide-output"  # a tag
FAILING = "raises-exception"  # a tag
# A formula between LaTeX's marks, as sympy and IPython write it.
FORMULA = re.compile(r"(\$\$?|\\[(\[])\s*(?:\\displaystyle\b)?\s*([^$]*?)\s*(?:\$\$?|\\[)\]])", re.DOTALL)
HYPERLINK = re.compile(r"\x1b\].*?(\x07|\x1b\\)", re.DOTALL)  # and other commands to a terminal's window
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass
class Cells:
    """A notebook's text, and what it refers to."""

    text: str = ""
    pictures: dict[str, bytes] = field(default_factory=dict)  # by file name
    fragments: list[str] = field(default_factory=list)  # outputs in HTML
    attachments: dict[int, dict[str, bytes]] = field(default_factory=dict)  # pictures by cell and name


def refuse_unfinished(nb: NotebookNode) -> None:
    """Raise `FerError` if a cell failed that may not, or was not run."""
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type == "code":
            failed = [output for output in cell.outputs if output.output_type == "error"]
            if failed and FAILING not in tags(cell):
                raise FerError(f"cell {number} failed with {failed[0].ename}: {failed[0].evalue}. Fix and run it again")
            if cell.source.strip() and cell.execution_count is None:
                raise FerError(f"cell {number} was not run. Run the whole notebook first")
    if nb.metadata.get("papermill", {}).get("exception"):
        raise FerError("papermill reports that this notebook failed. Fix it and run it again")


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def outputs(cells: list[NotebookNode]) -> list[NotebookNode]:
    """All outputs of a notebook's cells, in their order."""
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


def read_cells(nb: NotebookNode, tell: Callable[[str], None]) -> Cells:
    """Markdown cells and the outputs of code cells. `tell` hears what is left out."""
    found, parts = Cells(), []
    for number, cell in enumerate(nb.cells, 1):
        parts.append(_raw(MARK, number))
        if cell.cell_type == "markdown":
            parts.append(for_pandoc(cell.source, number))
            for name, pasted in cell.get("attachments", {}).items():
                found.attachments.setdefault(number, {})[name] = b64decode(next(iter(pasted.values())))
        elif cell.cell_type == "code" and HIDDEN not in tags(cell):
            parts += [_output(output, f"cell-{number}-{i}", found, tell) for i, output in enumerate(cell.outputs)]
        elif cell.cell_type == "raw" and cell.source.strip():
            tell(f"cell {number}: a raw cell is left out")
    found.text = "\n\n".join(filter(None, parts)) + "\n"
    return found


def _raw(kind: str, content: object) -> str:
    return f"```{{={kind}}}\n{content}\n```"


def _output(output: NotebookNode, name: str, found: Cells, tell: Callable[[str], None]) -> str:
    """One output in pandoc's Markdown; what Markdown cannot hold goes to `found`."""
    number = int(name.split("-")[1])
    where = f"cell {number}"
    if output.output_type == "error":
        return _verbatim(f"{output.ename}: {output.evalue}")
    if output.output_type == "stream":
        if output.name == "stdout":
            return _verbatim(output.text)
        tell(f"{where}: what it wrote to {output.name} is left out")
        return ""
    data = output.get("data", {})
    kind = next((kind for kind in KINDS if kind in data and _can_show(kind, data[kind])), None)
    others = [each for each in data if each != "text/plain"]
    if "application/json" in others and kind in (None, "text/plain"):
        return _verbatim(json.dumps(data["application/json"], indent=1, ensure_ascii=False))
    if kind is None or (kind == "text/plain" and any("widget" in each for each in data)):
        tell(f"{where}: an output of type {', '.join(data) or 'unknown'} is left out")
        return ""
    if kind == "text/plain" and others:
        tell(f"{where}: of an output of type {', '.join(others)}, only the text is shown")
    about = output.metadata.get(METADATA, {})
    if kind == "text/markdown":
        return for_pandoc(about.get("text", data[kind]), number)  # without its note, which is in the page header
    if kind == "text/html":
        found.fragments.append(data[kind])
        return _raw(HTML, len(found.fragments) - 1)
    if kind == "text/latex":
        return _latex(data[kind].strip())
    if kind == "text/plain":
        return _verbatim(data[kind])
    figure = about.get("figure", name)
    if not any(file.rpartition(".")[0] == figure for file in found.pictures):  # else it is another one of this name
        name = figure
    content = data[kind].encode() if kind == "image/svg+xml" else b64decode(data[kind])
    file = add_picture(content, name, found.pictures, f"{where}: {name}")
    width = output.metadata.get(kind, {}).get("width")
    size = f" width={width}px" if isinstance(width, int) else ""
    return f"![{about.get('caption', '')}]({file}){{#fig-{name}{size}}}"


def _latex(text: str) -> str:
    """A formula in marks that pandoc cannot misread, or other LaTeX as it is."""
    found = FORMULA.fullmatch(text)
    if found is None:
        return text
    inside = re.sub(r"\n\s*\n", "\n", found[2])
    return rf"\\({inside}\\)" if found[1] in ("$", r"\(") else rf"\\[{inside}\\]"


def _can_show(kind: str, content: str) -> bool:
    """Whether an output of a kind can be shown: LaTeX only if it is a formula, HTML unless it needs a style sheet."""
    if kind == "text/html":
        return "sk-text-repr-fallback" not in content  # scikit-learn's estimators
    if kind != "text/latex":
        return True
    found = environment(content)
    return content.strip().startswith(("$", "\\(", "\\[")) if found is None else bool(found[1])


def _verbatim(text: str) -> str:
    """Printed text as a code block, with what progress bars overwrite left out."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in strip_ansi(HYPERLINK.sub("", text)).split("\n")]
    shown = CONTROL.sub("", "\n".join(lines).strip("\n"))
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", shown)), 3)
    return f"{fence}\n{shown}\n{fence}" if shown.strip() else ""
