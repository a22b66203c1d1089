import html
import io
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbconvert.exporters import Exporter, get_export_names
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image

from fer_utils.document import execute
from fer_utils.document.export import ReportHTMLExporter, TypstPDFExporter
from fer_utils.errors import FerError
from tests.document.pdf import is_inside, pages_of, pictures_of
from tests.document.test_parameters import FIXTURES


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with a table of pandas, a picture, a text, and litter, after it has run."""
    path = tmp_path_factory.mktemp("notebook") / "shows.ipynb"
    execute.execute(FIXTURES / "shows.ipynb", path, {})
    return path


def text_of(pdf: bytes) -> str:
    return "\n".join(pages_of(pdf))


def test_nbconvert_offers_the_exporters() -> None:
    assert {"typstpdf", "reporthtml"} <= set(get_export_names())


def test_any_notebook_becomes_a_pdf_without_code_and_litter(shown: Path) -> None:
    nb = nbformat.read(shown, as_version=4)
    pdf, resources = TypstPDFExporter().from_notebook_node(nb)
    text = text_of(pdf)
    assert resources["output_extension"] == ".pdf"
    assert "What a notebook shows" in text
    assert "left" in text
    assert "2.5" in text
    assert "plain text" in text
    assert "printed text" in text
    assert "litter" not in text
    assert "import" not in text
    assert "1 / 1" in text
    assert TypstPDFExporter().from_notebook_node(nb)[0] == pdf


def test_the_html_needs_no_network(shown: Path) -> None:
    page = str(ReportHTMLExporter().from_filename(str(shown))[0])
    assert "data:image/" in page
    assert "<math" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "litter" not in page


def test_the_command_of_nbconvert_runs_a_notebook_and_writes_the_pdf(tmp_path: Path) -> None:
    code = "from IPython.display import Markdown\nMarkdown('forty' + 'two')"
    nb = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell(code)])
    nb.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(nb, path := tmp_path / "command.ipynb")
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--execute", "--to", "typstpdf", str(path)]
    subprocess.run(command, check=True)
    text = text_of(path.with_suffix(".pdf").read_bytes())
    assert "Title" in text
    assert "fortytwo" in text


@pytest.mark.parametrize("exporter", [TypstPDFExporter, ReportHTMLExporter])
def test_pictures_and_words_of_ones_own_are_set(exporter: type[Exporter], tmp_path: Path) -> None:
    contents = []
    for tone in (0, 255):  # of equal pictures a PDF has one
        Image.new("L", (48, 48), tone).save(content := io.BytesIO(), "png")
        contents.append(content.getvalue())
    (tmp_path / "my face.png").write_bytes(contents[0])
    cell = new_markdown_cell("Thanks to @alice [@bob]. ![one](my%20face.png) ![two](attachment:image.png)")
    cell["attachments"] = {"image.png": {"image/png": b64encode(contents[1]).decode()}}
    nb, resources = new_notebook(cells=[cell]), {"metadata": {"path": str(tmp_path)}}
    document, _ = exporter().from_notebook_node(nb, resources)
    text = text_of(document) if isinstance(document, bytes) else document
    assert "Thanks to @alice [@bob]." in text
    if isinstance(document, bytes):
        assert pictures_of(document) == 2
    else:
        assert document.count("data:image/png") == 2
    nb.cells[0].source = "![gone](gone.png)"
    with pytest.raises(FerError, match=r"cell 1: the picture gone\.png is not a file in"):
        exporter().from_notebook_node(nb, resources)


@pytest.mark.parametrize("exporter", [TypstPDFExporter, ReportHTMLExporter])
def test_a_notebook_of_others_runs_no_scripts_and_reads_no_files(exporter: type[Exporter], tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.png", tmp_path / "theirs"
    Image.new("L", (48, 48)).save(secret)
    folder.mkdir()
    active = "<p>shown</p><script>alert(1)</script>"
    code = new_code_cell("1", outputs=[new_output("display_data", {"text/html": active})], execution_count=1)
    texts = [
        active,
        f"before {active} after",
        "```{=html}\n<script>alert(2)</script>\n```",
        "[here](javascript:alert(3))",
    ]
    nb = new_notebook(cells=[code, *map(new_markdown_cell, texts)])
    document, _ = exporter().from_notebook_node(nb, {"metadata": {"path": str(folder)}})
    if isinstance(document, bytes):
        assert not pictures_of(document)
        document = text_of(document)
    for shown in ("before", "after", "here", "shown"):
        assert shown in document
    for words in ("<script", "javascript:", "file:", "data:image", "alert(2)", "alert(3)"):
        assert words not in document
    for outside in (str(secret), "../secret.png", f"file://{secret}"):
        for syntax in (f"![theirs]({outside})", f'<img src="{outside}">', f'<p>\n<img src="{outside}">\n</p>'):
            nb.cells[1].source = syntax
            with pytest.raises(FerError, match=r"cell 2: the picture .* is not a file in"):
                exporter().from_notebook_node(nb, {"metadata": {"path": str(folder)}})


@pytest.mark.parametrize("exporter", [TypstPDFExporter, ReportHTMLExporter])
def test_a_notebook_that_did_not_run_to_its_end_is_never_typeset(exporter: type) -> None:
    error = new_output("error", ename="ValueError", evalue="on purpose", traceback=[])
    with pytest.raises(FerError, match="cell 1 failed with ValueError: on purpose"):
        exporter().from_notebook_node(new_notebook(cells=[new_code_cell("1", outputs=[error], execution_count=1)]))
    with pytest.raises(FerError, match="cell 1 was not run"):
        exporter().from_notebook_node(new_notebook(cells=[new_code_cell("1")]))


EXPORTERS = [TypstPDFExporter, ReportHTMLExporter]


def face(format: str, tone: int = 128) -> bytes:
    Image.new("L", (48, 48), tone).save(content := io.BytesIO(), format)
    return content.getvalue()


def ran(*outputs: dict) -> NotebookNode:
    """A code cell that was run, with outputs by kind."""
    shown = [new_output("display_data", {"text/plain": "<object>"} | data) for data in outputs]
    return new_code_cell("1", outputs=shown, execution_count=1)


def printed(text: str, to: str = "stdout", **metadata: object) -> NotebookNode:
    """A code cell that printed a text."""
    return new_code_cell("1", outputs=[new_output("stream", name=to, text=text)], execution_count=1, metadata=metadata)


def exported(exporter: type[Exporter], folder: Path, *cells: NotebookNode | str) -> str:
    """The text of a notebook's PDF or HTML."""
    nb = new_notebook(cells=[new_markdown_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    document, _ = exporter().from_notebook_node(nb, {"metadata": {"path": str(folder)}})
    return text_of(document) if isinstance(document, bytes) else " ".join(html.unescape(str(document)).split())


SAID: list[tuple[NotebookNode | str, list[str]]] = [
    ("`![alt](picture.png)`\n\n```\n![alt](picture.png)\n```", ["![alt](picture.png)"]),
    ("It cost $5 in May and $6. Set {a} and <x> and \\alpha.", ["$5 in May and $6", "{a} and <x> and \\alpha."]),
    ("Text:\n- one\n- two\n# Head\n1) first\n2) second\n", ["one", "two", "Head", "first", "second"]),
    ("- [ ] todo\n- [x] done", ["todo", "done"]),
    ("a <b>bold</b> H<sub>2</sub>O <kbd>Esc</kbd> <span style='color:red'>red</span> <br> <!-- gone --> end",
     ["bold", "O", "Esc", "red", "end"]),
    ("<div align=center>\n<p>in a block</p>\n<table><tr><th>top</th></tr><tr><td>cell</td></tr></table>\n</div>",
     ["in a block", "top", "cell"]),
    ("---\ntitle: no title\n---\n\ntext", ["no title", "text"]),
    ("1. first\n\n   second[^1]\n\n[^1]: a note", ["first", "second", "a note"]),
    ("[web](https://example.org/a) [gone](#nowhere) [near](#My-Place)\n\n# My Place", ["web", "gone", "near"]),
    ("表情识别报告 “准确率” Отчёт ひらがな 한국어 🙂 ✅ ≥", ["表情识别报告", "Отчёт", "ひらがな", "한국어", "≥"]),
    (printed("\x1b[31mcoloured\x1b[0m\n10%\r99%\r\n``` x"), ["coloured", "99%", "``` x"]),
    (ran({"text/html": "<b>only</b> <i>words</i>"}), ["only", "words"]),
    ("<details>\n<summary>Click</summary>\n\nHidden **text**\n\n```\nx = 1\n```\n\n</details>",
     ["Click", "Hidden", "x = 1"]),
    ("<div class='alert'>", [""]), ("in an **open** block", ["in an"]), ("</div>", [""]),
    ("```\nan open fence", ["an open fence"]), ("afterwards", ["afterwards"]),
    ("The results are:\n| left | right |\n|---|---|\n| 1 | 2 |", ["left", "right"]),
    ("Text\n\n---\n**Author:** Jane Doe\n\n---", ["Author:", "Jane Doe"]),
    ("x^2+y^2 and 5~10 to 20~30, --help and 'q'", ["x^2+y^2", "5~10 to 20~30", "--help", "'q'"]),
    ("a note[^1]\n\n[^1]: first one", ["first one"]), ("a note[^1]\n\n[^1]: second one", ["second one"]),
    ("[empty]() link", ["empty link"]),
    ("in the year\n2024) or so", ["in the year", "2024) or so"]),
    ("drawn:\n\n<svg width='90' height='20'>\n<title>no text</title>\n\n<text x='0' y='15'>drawn</text></svg>\n\nend",
     ["drawn:", "end"]),
    (ran({"application/json": {"key": [1]}}), ['"key"']),
    (ran({"text/latex": "\\begin{tabular}{c}a\\end{tabular}", "text/plain": "as text"}), ["as text"]),
    ("<figure><figcaption>A caption</figcaption></figure>", ["A caption"]),
    (printed("\x1b]8;;http://a.b\x07linked\x1b]8;;\x07 \x08bell"), ["linked bell"]),
    (new_code_cell("1/0", outputs=[new_output("error", ename="ZeroDivisionError", evalue="division by zero",
                   traceback=[])], execution_count=1, metadata={"tags": ["raises-exception"]}),
     ["ZeroDivisionError: division by zero"]),
]  # fmt: skip


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_formulas_in_html_are_formulas(exporter: type[Exporter], tmp_path: Path) -> None:
    table = frame(pd.DataFrame({"$\\alpha^2$": ["costs $5", "$a_$"], "b": [1, 2]}))
    document = exported(exporter, tmp_path, "<p>where $\\beta$ is</p>", frame(pd.DataFrame({"$\\gamma$": [1]})), table)
    for shown in ("𝛽", "𝛾") if exporter is TypstPDFExporter else ("<mi>β</mi>", "<mi>γ</mi>"):
        assert shown in document
    assert "$a_$" in document.replace("\u200b", "")  # no formula, and so none is read in this table
    assert "$\\alpha^2$" in document.replace("\u200b", "")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_what_cells_say_is_on_the_page(exporter: type[Exporter], tmp_path: Path) -> None:
    document = exported(exporter, tmp_path, *(cell for cell, _ in SAID))
    document = document.translate(dict.fromkeys(map(ord, "\u200b\u2060")))
    for text in (text for _, texts in SAID for text in texts):
        assert text in document
    assert "1) first" not in document  # but an item
    for text in ("10%", "gone -->", "<b>", "#nowhere", "\x1b", "fer-cell", "```python", "**"):
        assert text not in document


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_formulas_are_set(exporter: type[Exporter], tmp_path: Path) -> None:
    formulas: list[NotebookNode | str] = [
        "\\begin{equation}\na^2+b^2=c^2 \\label{eq:p}\n\\end{equation}",
        "\\begin{align*}\na &= b \\\\\nc &= d \\nonumber\n\\end{align*}",
        "\\newcommand{\\half}{\\frac12}\n\n$$a + \\half$$",
        "Inline $a = \\frac{1}{2}$",
        ran({"text/latex": "$\\displaystyle \\frac{a}{b}$"}),
        ran({"text/latex": "\\begin{gather}a = b\\end{gather}"}),
        "with blanks $ a = 1 $ in it, $5 and $6",
        "$\\newcommand{\\third}{\\frac13}$ $a\\third$",
        "$$\\big\\langle a \\big\\rangle$$",
        "$$\\begin{vmatrix} a & 1 \\\\ 2 & 3 \\end{vmatrix}$$",
        "\\begin{pmatrix} a & 1 \\end{pmatrix}",
        "$$\\begin{cases} a & x > 0 \\\\ 1 & \\text{else} \\end{cases}$$",
        "$$a = 1 \\tag{7}$$",
    ]
    document = exported(exporter, tmp_path, *formulas)
    assert (document.count("𝑎") or document.count("<mi>a</mi>")) == len(formulas)
    document = re.sub("<annotation.*?</annotation>", "", document)
    for text in ("\\begin", "half", "third", "label", "object", "chevron", "newcommand", "tag"):
        assert text not in document
    assert "$5 and $6" in document


def test_a_formula_that_cannot_be_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FerError, match=r"cell 1: pandoc says: Could not convert TeX math \\frac\{"):
        exported(TypstPDFExporter, tmp_path, "$\\frac{$")
    with pytest.raises(FerError, match=r"cell 1: LaTeX's tikzpicture cannot be set"):
        exported(TypstPDFExporter, tmp_path, "\\begin{tikzpicture}x\\end{tikzpicture}")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_pictures_are_shown_in_every_syntax_and_format(exporter: type[Exporter], tmp_path: Path) -> None:
    formats = ["png", "jpeg", "gif", "webp", "bmp", "tiff", "avif"]
    for tone, format in enumerate(formats):
        (tmp_path / f"face ({tone}).{format}").write_bytes(face(format, 20 * tone))
    pasted = b64encode(face("png", 200)).decode()
    texts = [
        "![a](<face (0).png>)", "![a](face%20(1).jpeg \"a title\")", "![a][ref]\n\n[ref]: <face (2).gif>",
        "<img src=\"face (3).webp\" width=200>", "<p><img src='face%20(4).bmp'></p>", "text ![a](face%20(5).tiff) text",
        "[![a](face%20(6).avif)](https://example.org)", f"![a](data:image/png;base64,{pasted})",
    ]  # fmt: skip
    outputs = ran(
        {"image/gif": b64encode(face("gif", 220)).decode()},
        {"text/html": f'<img src="data:image/png;base64,{pasted}">'},
    )
    nb = new_notebook(cells=[*map(new_markdown_cell, texts), outputs])
    document, _ = exporter().from_notebook_node(nb, {"metadata": {"path": str(tmp_path)}})
    if isinstance(document, bytes):
        assert pictures_of(document) == 10
        assert "Figure" not in text_of(document).replace("Figure 1", "", 1)  # the output alone is numbered
    else:
        assert document.count("data:image/") == 10
        assert not re.search(r'src="(?!data:)', str(document))


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("syntax", ["![logo](https://example.org/logo.png)", "<img src='//example.org/logo.png'>"])
def test_a_picture_on_the_web_is_refused(syntax: str, exporter: type[Exporter], tmp_path: Path) -> None:
    for cell in (syntax, ran({"text/html": "<img src='https://example.org/logo.png'>"})):
        with pytest.raises(
            FerError, match=r"cell 1: the picture .*example\.org/logo\.png is on the web\. Save it beside"
        ):
            exported(exporter, tmp_path, cell)


def frame(table: pd.DataFrame) -> NotebookNode:
    return ran({"text/html": table.to_html(), "text/plain": str(table)})


def test_a_table_of_pandas_is_a_table_and_no_style_sheet(tmp_path: Path) -> None:
    style = "<style scoped>.dataframe tbody tr th { vertical-align: top; }</style>"
    table = pd.DataFrame({"model": ["cnn", "cnn", "mb"], "seed": [0, 1, 0], "accuracy": [0.61, 0.62, 0.63]})
    cell = frame(table)
    cell.outputs[0].data["text/html"] = f"<div>{style}{table.to_html()}</div>"
    grouped = table.groupby("model").agg({"accuracy": ["mean", "count"]})
    document = exported(TypstPDFExporter, tmp_path, cell, frame(grouped), frame(table.set_index(["model", "seed"])))
    assert "vertical-align" not in document
    assert "accuracy\nmean count" in document
    assert document.count("0.62") == 2


def test_a_long_table_breaks_and_repeats_its_head(tmp_path: Path) -> None:
    nb = new_notebook(cells=[frame(pd.DataFrame({"left": range(150), "right": range(150)}))])
    document, _ = TypstPDFExporter().from_notebook_node(nb)
    pages = pages_of(document)
    assert len(pages) == 2
    assert all("left right" in page for page in pages)
    assert re.findall(r"^\d+ (\d+) \1", "\n".join(pages), re.MULTILINE) == [str(i) for i in range(150)]


def test_a_wide_table_is_divided_or_refused(tmp_path: Path) -> None:
    wide = pd.DataFrame(
        [range(30), range(30)], columns=[f"feature_{i:02d}" for i in range(30)], index=["first", "second"]
    )
    document = exported(TypstPDFExporter, tmp_path, frame(wide))
    assert document.count("first") > 2  # the index is repeated
    assert all(name in document for name in wide)
    wide.columns = pd.MultiIndex.from_product([["one", "two"], [f"feature_{i:02d}" for i in range(15)]])
    with pytest.raises(
        FerError, match=r"cell 1: a table of 31 columns and about \d+ characters does not fit .* transpose it"
    ):
        exported(TypstPDFExporter, tmp_path, frame(wide))
    words = pd.DataFrame({"text": ["many words " * 40], "hash": ["0123456789abcdef" * 8], "中文": ["表情" * 40]})
    pdf, _ = TypstPDFExporter().from_notebook_node(new_notebook(cells=[frame(words)]))
    assert is_inside(pdf)


def test_long_lines_are_wrapped(tmp_path: Path) -> None:
    line = "".join(f"{i:04d}" for i in range(100))
    document = exported(TypstPDFExporter, tmp_path, printed(line))
    assert max(map(len, document.splitlines())) <= 96
    assert line in document.replace("\n", "")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_what_is_left_out_is_told(exporter: type[Exporter], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = [
        ran({"application/vnd.jupyter.widget-view+json": {}}),
        ran({"application/javascript": "alert(1)"}),
        ran({"text/html": "<p>text</p><iframe src='https://example.org'></iframe>"}),
        printed("a warning", "stderr"),
        new_raw_cell("raw"),
        "```{=typst}\n#panic()\n```",
        "text <video src='a.mp4'></video>",
        "<font color='red'>warn</font>",
        ran({"text/html": pd.DataFrame({"a": [1]}).style.map(lambda _: "background-color: red").to_html()}),
        r"$\begin{array}{c|c} a & b \\ \hline c & d \end{array}$",
        printed("a warning", "stderr", tags=["hide-output"]),
    ]
    cells[1].outputs[0].data.pop("text/plain")
    exported(exporter, tmp_path, *cells)
    told = "\n".join(caplog.messages)
    assert re.findall(r"cell (\d+)", told) == ["1", "2", "4", "5", "3", "6", "7", "8", "9", "10"]
    for what in ("widget-view", "javascript", "<iframe>", "stderr", "a raw cell", "raw typst", "<video>", "colours"):
        assert what in told


def test_words_of_data_are_no_markup(tmp_path: Path) -> None:
    words = [
        "- 3",
        "+ 5",
        "= x",
        "/ a: b",
        "1. y",
        "--flag",
        "a---b",
        "a-?b",
        "x...y",
        "#let",
        "$5-$6",
        "$a_$",
        "*b*",
        "@here",
    ]
    document = exported(TypstPDFExporter, tmp_path, frame(pd.DataFrame({"words": words})))
    document = document.translate(dict.fromkeys(map(ord, "\u200b\u2060")))
    for word in words:
        assert f" {word}\n" in document


def test_lists_and_formulas_stay_on_the_page(tmp_path: Path) -> None:
    items = "\n".join(f"- item {i}" for i in range(90))
    formula = "$$y = " + " + ".join(f"a_{{{i}}}x_{{{i}}}" for i in range(30)) + "$$"
    document = exported(TypstPDFExporter, tmp_path, items, f"`{'very_long_' * 20}` {'word' * 40}")
    assert re.findall(r"item (\d+)", document) == [str(i) for i in range(90)]
    nb = new_notebook(cells=[new_markdown_cell(formula), new_markdown_cell(f"`{'very_long_' * 20}` {'word' * 40}")])
    assert is_inside(TypstPDFExporter().from_notebook_node(nb)[0])


def test_the_html_keeps_no_attributes_that_load_or_run(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(face("png"))
    picture = '<img src="face.png" srcset="https://a.b/x.png 2x" onerror="alert(1)" width="20">'
    active = f'{picture}<a href="https://ok" onclick="x()">l</a>'
    document = exported(ReportHTMLExporter, tmp_path, ran({"text/html": active}), f"text {active}")
    assert "https://ok" in document
    for word in ("srcset", "onerror", "onclick", "a.b/x"):
        assert word not in document
    assert document.count('width="20"') == 2


def test_an_error_names_the_cell(tmp_path: Path) -> None:
    for exporter in EXPORTERS:
        with pytest.raises(FerError, match=r"cell 2: pandoc says: Could not convert TeX math \\frac\{"):
            exported(exporter, tmp_path, "text", "$\\frac{$", "text")


def test_a_character_that_no_font_has_is_named_with_its_cell(tmp_path: Path) -> None:
    with pytest.raises(FerError, match=r"cell 2: no glyph for 𓀀 \(U\+13000\)"):
        exported(TypstPDFExporter, tmp_path, "text", "# 𓀀")
    assert "𓀀" in exported(ReportHTMLExporter, tmp_path, "# 𓀀")


def test_what_stands_between_tags_is_cleaned_too(tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret.png"
    secret.write_bytes(face("png"))
    (tmp_path / "a.png").write_bytes(face("png", 90))
    with pytest.raises(FerError, match="not a file in"):
        exported(ReportHTMLExporter, tmp_path, f'<b>x <img src="{secret}" onerror="alert(1)"> y</b>')
    shown = "<b>one<br>two</b> <a href='javascript:alert(2)'>three</a> <b><a href='javascript:alert(3)'>four</a></b>"
    document = exported(ReportHTMLExporter, tmp_path, shown)
    assert "one<br" in document
    assert "javascript:" not in document
    nb = new_notebook(cells=[new_markdown_cell('<a href="https://a.b"><img src="a.png"></a> <u>![p](a.png)</u>')])
    pdf, _ = TypstPDFExporter().from_notebook_node(nb, {"metadata": {"path": str(tmp_path)}})
    assert pictures_of(pdf) == 2
    assert "𝑥" in exported(TypstPDFExporter, tmp_path, r"<b>$\textcolor{red}{x}$ [there](#Place)</b>" + "\n\n# Place")


def test_formulas_are_found_as_people_write_them(tmp_path: Path) -> None:
    text = r"A 3$\times$3 kernel, 48$\times$48 pixels, $\alpha $ and $\beta $, $ x$; $5 to $10, $6.50$7"
    document = exported(TypstPDFExporter, tmp_path, text, r"<div>For $i<n$ we have more</div>")
    for shown in ("3×3", "48×48", "𝛼", "𝛽", "𝑥", "$5 to $10, $6.50$7", "we have more"):
        assert shown in document
    html = r"<p>\(\gamma\) <code>$HOME/$USER</code></p>\begin{align}c &amp;= d\end{align}<pre>$e$</pre>"
    lines = "A formula $a_{1} +\nb_{2}$ over lines. Costs $5 and\n$6 today."
    document = exported(TypstPDFExporter, tmp_path, lines, ran({"text/html": html}))
    for shown in ("𝑎1", "Costs $5 and $6", "𝛾", "𝑐 = 𝑑", "$HOME/$USER", "$e$"):
        assert shown in document.replace("\n", " ")


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        (r"a \odot b \otimes c \ominus d", "⊙⊗⊖"), (r"A \cap B, \bigcap_i \sqcap", "∩⋂⊓"), (r"x\!=\!1", "𝑥=1"),
        (r"A \& B", "𝐴&𝐵"), (r"\left\|x\right\| + \|w\|_2^2", "∥𝑥∥"), (r"\bra{a}\braket{a|b}", "⟨𝑎"),
        (r"\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}", "1234"), (r"{\bf x_{1}} {\cal L}", "𝐱ℒ"),
        (r"\dbinom{n}{k} \large y", "𝑛𝑘𝑦"), (r"\begin{aligned}[t] a &= b\end{aligned}", "𝑎=𝑏"),
        (r"\left\{ \begin{array}{ll} 1 & x>0 \\ 2 & y \end{array} \right.", "1𝑥2𝑦"),
    ],
)  # fmt: skip
def test_commands_of_latex_are_set(formula: str, shown: str, tmp_path: Path) -> None:
    document = exported(TypstPDFExporter, tmp_path, f"${formula}$")
    found = [character for character in document if character in shown]
    assert set(shown) <= set(found), document


def test_numbers_notes_and_languages_are_read_as_jupyterlab_does(tmp_path: Path) -> None:
    cells = ["It was founded in\n1986. What a year", "[^a-z] is no note", "```{r}\nx <- 1\n```", "```C#\nint i;\n```"]
    document = exported(TypstPDFExporter, tmp_path, *cells, "```python title\ny = 2\n```")
    for shown in ("1986. What a year", "[^a-z] is no note", "x <- 1", "int i;", "y = 2"):
        assert shown in document
    assert "{r}" not in document
    cells = ["<a id='x'></a>\n## 1. Intro\n---\ntext", "one\n***\ntwo", "Term\n: meaning", "| bar", "[Intro] and x^[y]"]
    cells += ["1. one\n2. two\n   - a\n   - b\n\n     below\n3. three", "::: note\nthree\n:::", "# Title {#x}"]
    document = exported(TypstPDFExporter, tmp_path, *cells)
    for shown in ("1. Intro\ntext", "one\ntwo", ": meaning", "| bar", "[Intro] and x^[y]", "below\n3. three"):
        assert shown in document
    assert "::: note three" in document
    assert "Title {#x}" in document
    assert "##" not in document


def test_no_line_of_a_cell_is_lost(tmp_path: Path) -> None:
    cells = [
        "```x = a``` sets x\n\n# Head", "1. ```bash\n   pip install y\n   ```\n2. next", "Intro\n\n<!-- to do",
        "shown\n\n```\n<!-- z",
        "[1]: Krizhevsky et al, ImageNet\n\nSee [^1] and [^2]\n\n[^2]: a note", "[^1]: Goodfellow, the paper",
        "use <code>$PATH$</code> now", "    2. foo $a$ bar", "## 1. Data\n\n[to the data](#1.-Data)",
    ]  # fmt: skip
    document = exported(TypstPDFExporter, tmp_path, *cells)
    for text in ("x = a sets x", "Head", "pip install y\n2. next", "Intro\nshown\n<!-- z", "[1]: Krizhevsky", "a note"):
        assert text in document
    for text in ("See [^1]", "[^1]: Goodfellow", "use $PATH$ now", "2. foo $a$ bar", "to the data"):
        assert text in document
    nb = new_notebook(cells=[new_markdown_cell(cells[-1])])
    assert b"/Annots" in TypstPDFExporter().from_notebook_node(nb)[0]


def test_latex_of_outputs_is_set_in_all_marks(tmp_path: Path) -> None:
    texts = [r"\[x^2\]", "$$\n\na_1 = 1 \n\n$$", "$ E = mc^2 $", r"$\begin{array}{@{}ll@{}} p & q\end{array}$"]
    document = exported(TypstPDFExporter, tmp_path, *(ran({"text/latex": text}) for text in texts))
    for shown in ("𝑥", "𝑎", "𝐸", "𝑝 𝑞"):
        assert shown in document
    for mark in ("$", "[", "@", "^"):
        assert mark not in document
    html = r"<pre>re.compile('\(a\)')</pre><table><tr><td>\[</td><td>\]</td></tr></table> \(k\)"
    document = exported(TypstPDFExporter, tmp_path, ran({"text/html": html}))
    for shown in (r"re.compile('\(a\)')", r"\[ \]", "𝑘"):
        assert shown in document


def test_a_wide_table_with_cells_over_several_rows_is_refused(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_product([["A", "B"], ["x", "y"]])
    table = pd.DataFrame([[10_000 + i for i in range(40)]] * 4, index)
    with pytest.raises(FerError, match="or reset its index"):
        exported(TypstPDFExporter, tmp_path, frame(table))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_list_may_hold_code_without_a_blank_line(exporter: type[Exporter], tmp_path: Path) -> None:
    document = exported(exporter, tmp_path, "1. First\n    ```python\n    x = 7\n    y = 8\n    ```\n2. Then")
    words = " ".join(re.sub("<[^>]*>", "", document).split())
    assert "First x = 7 y = 8" in words


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_tags_in_a_line_leave_no_trace(exporter: type[Exporter], tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(face("png"))
    picture = "<picture><source srcset='face.webp'><img src='face.png'></picture>"
    document = exported(
        exporter, tmp_path, f"a <dfn>term</dfn> {picture}\n\n| a |\n|---|\n| <ul><li>one</li><li>two</li></ul> |"
    )
    for word in ("dfn", "source", "picture", "&lt;"):
        assert word not in re.sub(r"<style.*?</style>|data:[^\"]*", "", document, flags=re.DOTALL)
    assert document.count("•") == 2


def test_pictures_and_formulas_are_no_larger_than_the_page(tmp_path: Path) -> None:
    Image.new("RGB", (40, 60)).save(tmp_path / "a.png")
    sizes = ("width='10in'", "width='30cm' height='2cm'", "height='5000'", "style='width: 15in'", "width='200%'")
    cells = [new_markdown_cell(f"<img src='a.png' {size}>") for size in sizes]
    sums = " + ".join(f"a_{{{i}}}x_{{{i}}}" for i in range(60))
    tall = r"\\".join(f"a_{{{i}}} &= {i}" for i in range(90))
    cells += [new_markdown_cell(rf"Text $\frac{{{sums}}}{{2}}$ $$\begin{{aligned}}{tall}\end{{aligned}}$$")]
    pdf, _ = TypstPDFExporter().from_notebook_node(new_notebook(cells=cells), {"metadata": {"path": str(tmp_path)}})
    assert is_inside(pdf)
