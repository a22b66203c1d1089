"""The report from end to end, on a few drawn faces and one epoch."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pypdf
import pytest

from fer_utils.errors import InputError
from fer_utils.models import matched
from fer_utils.report.analysis import ORIGINAL
from fer_utils.report.report import make_report


@pytest.fixture(scope="module")
def report(csv_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make(folder, csv_file)
    return folder


def make(folder: Path, data: Path) -> list[Path]:
    return make_report(
        str(data), epochs=1, device="cpu", out=folder / "report.pdf", runs_dir=folder / "runs",
        figures_dir=folder / "figures",
    )  # fmt: skip


def test_the_pdf_has_its_pages_words_and_figures(report: Path) -> None:
    pages = pypdf.PdfReader(report / "report.pdf").pages
    text = "\n".join(page.extract_text() for page in pages)
    assert 3 <= len(pages) <= 9
    for number, page in enumerate(pages, 1):
        assert f"{number} / {len(pages)}" in page.extract_text()
    assert text.index("Questions and answers") < text.index("Figure 1") < text.index("Where the numbers come from")
    assert set(re.findall(r"Figure (\d)\.", text)) == set("1234567")
    assert set(re.findall(r"Table (\d)\.", text)) == set("12345678")
    for model in ORIGINAL.model:
        assert model in text
    assert "45,959" in text
    assert "1,872,327" in text
    assert "FER2013’s PublicTest" in text  # and no prime after a digit
    assert "Recipe quick: AdamW, learning rate 0.003 at the peak of one cycle" in " ".join(text.split())
    assert "emo faces" not in text  # these are not the demo's
    for litter in ("Traceback", "Warning", "table = ", "it/s", "%|"):
        assert litter not in text
    # The figures are vectors: drawn, and not one of them a picture of pixels.
    assert not any(page.images for page in pages)


def test_the_html_is_the_same_report_in_one_file(report: Path) -> None:
    html = (report / "report.html").read_text()
    assert html.count("<figcaption") == 7
    assert html.count("<caption") == 8
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


def test_every_figure_lies_beside_its_data(report: Path) -> None:
    names = {"learning-curves", "mobilenet-sweep", "cnn-sweep", "both-families"}
    names |= {"ablation", "costs", "confusion"}
    found = {path.name for path in (report / "figures").iterdir()}
    assert found == {f"{name}.{kind}" for name in names for kind in ("svg", "png", "csv")} | {
        "report-results.csv",
        "report-runs.csv",
    }
    ET.parse(report / "figures" / "both-families.svg")
    drawn = pd.read_csv(report / "figures" / "both-families.csv")
    table = pd.read_csv(report / "figures" / "report-results.csv").set_index("model")
    assert len(drawn) == 7
    for row in drawn.itertuples():
        assert row.validation_accuracy == table.validation_accuracy[row.model]
    assert drawn.validation_accuracy_original.isna().all()  # each family's own figure has them
    assert pd.read_csv(report / "figures" / "cnn-sweep.csv").validation_accuracy_original.notna().all()
    assert {"device", "epochs", "seconds", "recipe", "seeds"} <= set(table)
    assert {"seed", "fingerprint", "code", "precision"} <= set(pd.read_csv(report / "figures" / "report-runs.csv"))


def test_nothing_is_done_twice_and_the_bytes_are_the_same(report: Path, csv_file: Path) -> None:
    pdf = (report / "report.pdf").read_bytes()
    before = {
        path: path.stat().st_mtime_ns for path in (report / "runs").rglob("*") if path.suffix in (".ipynb", ".json")
    }
    make(report, csv_file)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len(before) == len(ORIGINAL) + len(matched.chain(10_000)) + 4
    assert (report / "report.pdf").read_bytes() == pdf


def test_wrong_input_is_refused_before_anything_runs(csv_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--out report\.txt: the name of a PDF ends with \.pdf"):
        make_report(str(csv_file), out=Path("report.txt"), runs_dir=tmp_path)
    with pytest.raises(InputError, match="unknown language 'xx'"):
        make_report(str(csv_file), language="xx", runs_dir=tmp_path)
    with pytest.raises(InputError, match="unknown recipe 'slow'"):
        make_report(str(csv_file), recipe="slow", runs_dir=tmp_path)
    with pytest.raises(InputError, match="seeds 'x': allowed are whole numbers"):
        make_report(str(csv_file), runs_dir=tmp_path, budget_seeds="x")
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        make_report(str(csv_file), runs_dir=tmp_path, ferplus="nowhere.csv")
    assert not list(tmp_path.iterdir())
