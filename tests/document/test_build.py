"""The report from end to end, on a few drawn faces."""

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fer_utils.analysis.published import ORIGINAL, published_runs
from fer_utils.document import build, execute, parameters
from fer_utils.document.build import make_report
from fer_utils.errors import FerError, InputError
from fer_utils.models import matched
from fer_utils.training import metrics
from fer_utils.training.study import Study
from tests.document.pdf import pages_of, pictures_of
from tests.training.test_study import finished_study


@pytest.fixture(scope="module")
def report(csv_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters, "run_study", finished_study)  # the notebooks then find their runs
        patch.setattr(metrics, "FRAMINGS", 1)  # several take half of the time
        make(folder, csv_file)
    return folder


def make(folder: Path, data: Path) -> list[Path]:
    return make_report(
        folder / "report.pdf", folder / "figures", "A. Student", data=str(data), epochs=1, device="cpu",
        runs_dir=str(folder / "runs"),
    )  # fmt: skip


def test_the_pdf_has_its_pages_words_and_figures(report: Path) -> None:
    pages = pages_of(report / "report.pdf")
    text = "\n".join(pages)
    assert 3 <= len(pages) <= 12
    for number, page in enumerate(pages, 1):
        assert f"{number} / {len(pages)}" in page
    assert text.index("Figure 1.") < text.index("1. Compare this") < text.index("Methods and limits")
    assert "5. How many people" in pages[0]
    assert "Figure 1." in pages[0]
    assert set(re.findall(r"Figure (\d+)\.", text)) == set("1234567") | {"10", "8", "9"}
    assert set(re.findall(r"Table (\d+)\.", text)) == set("123456789") | {"10", "11"}
    assert "See Table 1, Figure 2, Table 2." in text
    assert "See Table 3, Figure 3, Table 4." in text
    assert "predate" not in pages[0]  # most results are these runs'
    for model in ORIGINAL.model:
        assert model in text
    assert "45,959" in text
    assert "A. Student" in pages[0]
    assert "1,872,327" in text
    assert "0.003 at the peak of one cycle" in " ".join(text.split())
    assert "emo faces" not in text  # these are not the demo's
    for litter in ("Traceback", "Warning", "table = ", "it/s", "%|"):
        assert litter not in text
    # The figures are vectors: drawn, and not one of them a picture of pixels.
    assert not pictures_of(report / "report.pdf")


def test_the_published_report_needs_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = execute.sources()[1:2]  # all of them take long
    monkeypatch.setattr(execute, "sources", lambda: sweep)
    make_report(tmp_path / "report.pdf", author="A. Student", runs_dir=str(tmp_path / "runs"))
    text = " ".join(" ".join(pages_of(tmp_path / "report.pdf")).split())
    table = published_runs().set_index(["model", "target"])
    for model in ("mobilenet-46k", "mobilenet-112k", "mobilenet-158k"):
        assert f"{table.PublicTest_accuracy_without_leak[model, 'labels']:.3f}" in text
    assert "Some networks predate the common training setup" in text
    assert not [path for path in (tmp_path / "runs").iterdir() if path.name != "notebooks"]  # nothing was trained


def test_the_html_is_the_same_report_in_one_file(report: Path) -> None:
    html = (report / "report.html").read_text()
    assert html.count("<figcaption") == 10
    assert html.count("<caption") == 11
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)


def test_every_figure_lies_beside_its_data(report: Path) -> None:
    names = {"learning-curves", "mobilenet-sweep", "cnn-sweep", "curve"}
    names |= {"ablation", "costs", "confusion", "worth", "voters-confusion", "doubt"}
    found = {path.name for path in (report / "figures").iterdir()}
    assert found == {f"{name}.{kind}" for name in names for kind in ("svg", "png", "csv")} | {
        "report-answers.md",
        "report-results.csv",
        "report-runs.csv",
    }
    told = (report / "figures" / "report-answers.md").read_text()
    assert [line[:5] for line in told.splitlines() if line.startswith("#")] == [
        f"## {number}." for number in range(1, 6)
    ]
    assert "**At equal size" in told
    ET.parse(report / "figures" / "curve.svg")
    drawn = pd.read_csv(report / "figures" / "curve.csv")
    table = pd.read_csv(report / "figures" / "report-results.csv").set_index("model")
    assert len(drawn) == 8
    for row in drawn.itertuples():
        assert row.PublicTest_accuracy == table.PublicTest_accuracy[row.model]
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
    assert len(before) == len(ORIGINAL) + len(matched.chain(10_000)) + 5
    assert (report / "report.pdf").read_bytes() == pdf


def test_wrong_input_is_refused_before_anything_runs(csv_file: Path, tmp_path: Path) -> None:
    def refused(message: str, out: str = "report.pdf", **given: Any) -> None:
        with pytest.raises(InputError, match=message):
            make_report(Path(out), None, **({"data": str(csv_file), "runs_dir": str(tmp_path)} | given))

    refused(r"--out report\.txt: the name of a PDF ends with \.pdf", out="report.txt")
    refused("unknown language 'xx'", language="xx")
    refused("unknown recipe 'slow'", recipe="slow")
    refused("seeds 'x'", budget_seeds="x")
    refused("unknown network 'nobody'", teachers="nobody")
    refused("recipe finetune starts from pretrained weights", recipe="finetune")
    refused("data 'published' trains nothing, so recipe 'full' has no effect", data=None, recipe="full")
    assert not list(tmp_path.iterdir())


def test_a_teachers_bare_name_is_the_model_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn-48k").mkdir()
    found = build._parameters(execute.sources()[0], {"teachers": "cnn-48k,./cnn-48k"})
    assert found["teachers"] == f"cnn-48k,{tmp_path / 'cnn-48k'}"


def test_a_name_that_cannot_be_set_is_refused_before_anything_runs(csv_file: Path, tmp_path: Path) -> None:
    data = tmp_path / "𓀀.csv"
    data.write_bytes(csv_file.read_bytes())
    with pytest.raises(FerError, match=r"no glyph for 𓀀 .*rename the file"):
        make_report(data=str(data), runs_dir=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def notebooks_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the notebooks, to be edited, that the report is made from."""
    shutil.copytree(execute.NOTEBOOKS, tmp_path / "notebooks")
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path / "notebooks")
    return tmp_path / "notebooks"


def test_two_notebooks_of_one_number_are_refused(notebooks_folder: Path, csv_file: Path) -> None:
    shutil.copy(notebooks_folder / "4_analysis.ipynb", notebooks_folder / "4_analysis-Copy1.ipynb")
    with pytest.raises(
        InputError, match=r"4_analysis-Copy1\.ipynb and 4_analysis\.ipynb in .*: only one may have number"
    ):
        make_report(data=str(csv_file))


def test_a_notebook_that_lacks_a_parameter_is_named(notebooks_folder: Path, csv_file: Path) -> None:
    edit(notebooks_folder / "2_mobilenet_sweep.ipynb", "teachers: str", "tutors: str")
    with pytest.raises(InputError, match=r"2_mobilenet_sweep\.ipynb: its cell tagged `parameters` lacks teachers"):
        make_report(data=str(csv_file))


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("![ours](gone.png)", r"cell \d+: the picture gone\.png is not a file"),
        ("\U00013000", "no glyph for \U00013000"),
    ],
)
def test_what_a_person_wrote_and_cannot_be_set_is_refused_before_anything_runs(
    own: str, message: str, notebooks_folder: Path, csv_file: Path, tmp_path: Path
) -> None:
    edit(notebooks_folder / "2_mobilenet_sweep.ipynb", "With the MobileNet architecture", f"{own} With the MobileNet")
    with pytest.raises(FerError, match=message):
        make_report(data=str(csv_file), runs_dir=str(tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()


def edit(notebook: Path, old: str, new: str) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert old in text
    notebook.write_text(text.replace(old, new), encoding="utf-8")


def test_what_a_person_changed_in_a_notebook_holds_unless_the_command_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, notebooks_folder: Path, csv_file: Path
) -> None:
    asked = []

    def record(study: Study, job: object) -> pd.DataFrame:
        (stage,) = study.stages
        asked.append((stage.epochs, stage.seeds, stage.recipe))
        return pd.DataFrame({"run": stage.models})

    def stop(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(parameters, "run_study", record)
    monkeypatch.setattr(execute, "run_all", stop)
    edit(notebooks_folder / "2_mobilenet_sweep.ipynb", "epochs: int = 0 ", "epochs: int = 30 ")
    with pytest.raises(InterruptedError):
        make_report(data=str(csv_file), seeds="0,1")
    assert set(asked) == {(None, (0, 1), "quick"), (30, (0, 1), "quick"), (None, (0,), "quick")}
    asked.clear()
    with pytest.raises(InterruptedError):
        make_report(data=str(csv_file), epochs=2)
    assert {way[0] for way in asked} == {2}


def test_notebooks_about_different_data_make_no_report(notebooks_folder: Path) -> None:
    edit(notebooks_folder / "3_cnn_sweep.ipynb", r"data: str = \"published\"", r"data: str = \"fer2013.csv\"")
    with pytest.raises(InputError, match=r"the notebooks have different data: .*fer2013\.csv, published\. Give one"):
        make_report()


def test_a_parameter_that_papermill_cannot_read_is_refused(notebooks_folder: Path) -> None:
    edit(notebooks_folder / "3_cnn_sweep.ipynb", r"data: str = \"published\"", r"data: str = \"fer #2.csv\"")
    with pytest.raises(InputError, match=r"3_cnn_sweep\.ipynb: a parameter is not a plain value, or contains a #"):
        make_report()
