import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.main import get_command

from fer_utils.analysis.published import published_runs
from fer_utils.analysis.summary import earlier
from fer_utils.cli import app
from fer_utils.data.faces import CLASSES
from fer_utils.models.bundled import BUNDLED, bundled_names
from fer_utils.models.zoo import build, parameters
from figures.readme import answers_block, fill
from tests.conftest import ROOT


def test_the_python_of_the_readmes_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((60, 50), np.uint8)).save("face.png")
    shutil.copy(BUNDLED / "compact-46k.fer2013.onnx", "compact-46k.onnx")
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "figures/README.md"))
    snippets = re.findall(r"^```python\n(.*?)^```", pages, re.DOTALL | re.MULTILINE)
    printed = []
    for snippet in snippets:
        exec(snippet, {})
        printed.append(capsys.readouterr().out)
    assert len(printed) == 2
    assert all(expression in printed[0] for expression in CLASSES)  # a table with a column a class
    assert printed[1].strip() in CLASSES


@pytest.mark.parametrize("page", ["README.md", "figures/README.md", "figures/EXPERIMENTS.md"])
def test_the_commands_of_the_readme_are_the_programs_own(page: str) -> None:
    lines = re.findall(r"^    fer (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for line in lines:
        name, *arguments = shlex.split(line, comments=True)
        commands[name].make_context(name, arguments)  # raises on what it does not take


def test_the_homeworks_answers_are_those_of_the_published_report() -> None:
    answers = (ROOT / "figures" / "report-answers.md").read_text(encoding="utf-8")
    assert fill(ROOT / "README.md", "answers") == answers_block(answers)
    assert answers.count("## ") == 5
    told = " ".join(answers_block(answers).split())
    assert f"goes from {published('mobilenet-46k'):.3f} to {published('mobilenet-158k'):.3f}" in told


def published(model: str) -> float:
    runs = published_runs()
    return float(runs[(runs.model == model) & (runs.target == "labels")].validation_accuracy.iloc[0])


def test_what_is_said_of_the_earlier_study_is_in_its_table() -> None:
    runs = pd.read_csv(ROOT / "figures" / "earlier-study.csv")
    distilled, ablation = runs[runs.teachers.notna()], runs[runs.teachers.isna()]
    assert (set(distilled.teachers.str.count("@")), set(distilled.seed)) == ({5}, {0})
    assert (set(ablation.epochs), set(ablation.seed)) == ({10}, {0, 1})
    test = distilled.set_index("model").PublicTest_accuracy
    pairs = [("mobilenet-46k", "cnn-48k"), ("mobilenet-112k", "cnn-103k"), ("mobilenet-158k", "cnn-150k")]
    leads = [f"{100 * (test[net] - test[cnn]):.1f}" for net, cnn in pairs]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "leads of {}, {} and {} points on PublicTest".format(*leads) in text
    assert earlier(published_runs()).sum() == 14
    assert "Fourteen of these networks are from before the published study" in text


def test_what_is_said_of_trained_nets_taught_further_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv")
    text = (ROOT / "figures" / "EXPERIMENTS.md").read_text(encoding="utf-8")
    more = runs[runs.start.notna()]
    before = runs[runs.start.isna()]
    before = before.loc[before.groupby("model").validation_accuracy.idxmax()].set_index("model")  # of equals, the first
    for row in more.itertuples():
        assert _beside(row, before.loc[str(row.model)], str(row.model)) in text
    assert len(more) == 13


def test_what_is_said_of_nets_with_and_without_teachers_at_equal_epochs_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv")
    text = (ROOT / "figures" / "EXPERIMENTS.md").read_text(encoding="utf-8")
    same = ["model", "recipe", "epochs", "optimizer", "batch_size", "batchnorm"]
    taught, labels = (runs[runs.teachers.notna() == taught].set_index(same) for taught in (True, False))
    both = taught.index.intersection(labels.index)
    for way in both:
        assert _beside(taught.loc[way], labels.loc[way], way[0]) in text
    assert len(both) == 2


def _beside(one: Any, other: Any, model: str) -> str:
    """A row of a table with the accuracies of two ways to train a model, side by side."""
    kinds = ("validation_accuracy", "PublicTest_accuracy", "PublicTest_accuracy_without_leak")
    return f"| {model} | " + " | ".join(f"{getattr(way, kind):.3f}" for kind in kinds for way in (one, other)) + " |"


def test_the_readme_counts_the_bundled_networks() -> None:
    files = bundled_names()
    smallest = min(parameters(build(name.rpartition(".")[0])) for name in files)
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(files)} trained networks are bundled, from {smallest:,} parameters up." in text
    assert f"{len(list(BUNDLED.glob('*.onnx')))} networks are bundled as ONNX files" in text
