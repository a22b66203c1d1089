import io
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import nbformat
import pypdf
import pytest
from nbconvert.exporters import Exporter, get_export_names
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from fer_utils.document import execute
from fer_utils.document.export import ReportHTMLExporter, TypstPDFExporter
from fer_utils.errors import FerError
from tests.document.test_parameters import FIXTURES


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with a table of pandas, a picture, a text, and litter, after it has run."""
    path = tmp_path_factory.mktemp("notebook") / "shows.ipynb"
    execute.execute(FIXTURES / "shows.ipynb", path, {})
    return path


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


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
    assert "litter" not in text
    assert "import" not in text
    assert "1 / 1" in text
    assert TypstPDFExporter().from_notebook_node(nb)[0] == pdf


def test_the_html_needs_no_network(shown: Path) -> None:
    html = str(ReportHTMLExporter().from_filename(str(shown))[0])
    assert "data:image/" in html
    assert "<math" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert "litter" not in html


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
        assert len(pypdf.PdfReader(io.BytesIO(document)).pages[0].images) == 2
    else:
        assert document.count("data:image/png") == 2
    nb.cells[0].source = "![gone](gone.png)"
    with pytest.raises(FerError, match=r"the picture gone\.png of a Markdown cell is not a file in"):
        exporter().from_notebook_node(nb, resources)


@pytest.mark.parametrize("exporter", [TypstPDFExporter, ReportHTMLExporter])
def test_a_notebook_of_others_runs_no_scripts_and_reads_no_files(exporter: type[Exporter], tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret.png", tmp_path / "theirs"
    Image.new("L", (48, 48)).save(secret)
    folder.mkdir()
    html = f'<img src="file://{secret}"><script>alert(1)</script>'
    code = new_code_cell("1", outputs=[new_output("display_data", {"text/html": html})], execution_count=1)
    texts = [html, f"before {html} after", "```{=html}\n<script>alert(2)</script>\n```", "[here](javascript:alert(3))"]
    nb = new_notebook(cells=[code, *map(new_markdown_cell, texts)])
    document, _ = exporter().from_notebook_node(nb, {"metadata": {"path": str(folder)}})
    if isinstance(document, bytes):
        assert not pypdf.PdfReader(io.BytesIO(document)).pages[0].images
        document = text_of(document)
    assert "before" in document
    assert "here" in document
    for active in ("<script", "javascript:", "file:", "data:image", "alert(2)", "alert(3)"):
        assert active not in document
    for outside in (str(secret), "../secret.png"):
        nb.cells[1].source = f"![theirs]({outside})"
        with pytest.raises(FerError, match="is not a file in"):
            exporter().from_notebook_node(nb, {"metadata": {"path": str(folder)}})


@pytest.mark.parametrize("exporter", [TypstPDFExporter, ReportHTMLExporter])
def test_a_notebook_that_did_not_run_to_its_end_is_never_typeset(exporter: type) -> None:
    error = new_output("error", ename="ValueError", evalue="on purpose", traceback=[])
    with pytest.raises(FerError, match="cell 1 failed with ValueError: on purpose"):
        exporter().from_notebook_node(new_notebook(cells=[new_code_cell("1", outputs=[error], execution_count=1)]))
    with pytest.raises(FerError, match="cell 1 was not run"):
        exporter().from_notebook_node(new_notebook(cells=[new_code_cell("1")]))
