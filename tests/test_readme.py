import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_utils.data.faces import CLASSES
from fer_utils.models.export import export
from fer_utils.models.weights import open_model
from tests.conftest import ROOT


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((60, 50), np.uint8)).save("face.png")
    name, net = open_model("compact-46k")
    export(net, name, "int8", Path("compact-46k.onnx"))
    snippets = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    printed = []
    for snippet in snippets:
        exec(snippet, {})
        printed.append(capsys.readouterr().out)
    assert len(printed) == 2
    assert all(expression in printed[0] for expression in CLASSES)  # a table with a column a class
    assert printed[1].strip() in CLASSES


def test_what_the_readme_says_in_short_is_the_published_reports_answer() -> None:
    answers = (ROOT / "figures" / "report-answers.md").read_text(encoding="utf-8")
    (short,) = re.findall(r"^\*\*In short:\*\* (.*)$", answers, re.MULTILINE)
    assert short in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_what_the_readme_says_of_the_published_report_is_in_its_tables() -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    runs = pd.read_csv(ROOT / "figures" / "report-runs.csv")
    taught, others = runs[runs.teachers.notna()], runs[runs.teachers.isna()]
    assert (set(taught.epochs), set(taught.optimizer), set(others.epochs)) == ({60}, {"adamw"}, {10})
    assert "60 of the recipe's 100 epochs, the same five teachers, by AdamW" in text
    assert set(taught.teachers.str.count("@")) == {5}
    minutes = [f"{part.seconds.sum() / 60:.0f}" for part in (taught, others)]
    assert "The eight took {} minutes of one core, the others {}.".format(*minutes) in text
    spread = others.groupby("model").PublicTest_accuracy.var().mean() ** 0.5
    assert (
        f"the deviation between the two seeds of the nets that differ in one thing is {100 * spread:.1f} points" in text
    )
