import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.main import get_command

from fer_utils.cli import app
from fer_utils.data.faces import CLASSES
from fer_utils.inference.onnx import export
from fer_utils.models.weights import bundled_names, open_model
from fer_utils.models.zoo import HOMEWORK, build, parameters
from figures.publish import KEY, read_tables
from tests.conftest import ROOT


def test_the_python_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((60, 50), np.uint8)).save("face.png")
    export(open_model("compact-46k"), {"int8": Path("compact-46k.onnx")})
    snippets = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    printed = []
    for snippet in snippets:
        exec(snippet, {})
        printed.append(capsys.readouterr().out)
    assert len(printed) == 2
    assert all(expression in printed[0] for expression in CLASSES)  # a table with a column a class
    assert printed[1].strip() in CLASSES


@pytest.mark.parametrize("page", ["README.md", "figures/README.md"])
def test_the_commands_of_the_readme_are_the_programs_own(page: str) -> None:
    lines = re.findall(r"^    fer (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for line in lines:
        name, *arguments = shlex.split(line, comments=True)
        commands[name].make_context(name, arguments)  # raises on what it does not take


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


def test_what_the_readme_says_the_mobilenets_lead_by_is_in_the_reports_tables() -> None:
    of = pd.read_csv(ROOT / "figures" / "report-results.csv").set_index("model").PublicTest_accuracy
    pairs = [("mobilenet-46k", "cnn-48k"), ("mobilenet-112k", "cnn-103k"), ("mobilenet-158k", "cnn-150k")]
    leads = [f"{100 * (of[net] - of[cnn]):.1f}" for net, cnn in pairs]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert "the MobileNets are ahead by {}, {} and {} on PublicTest, in order of size".format(*leads) in text


def test_what_the_readme_says_of_the_best_of_the_others_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv")
    ours = runs[runs.model == "compact-103k"].sort_values("validation_accuracy").iloc[-1]
    peers = pd.read_csv(ROOT / "fer_utils" / "report" / "peers.csv")
    sized = peers.dropna(subset="parameters").sort_values("parameters", ignore_index=True)
    best = peers[peers.name == "best of the homework"].iloc[0]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    told = f"{best.parameters:,.0f} parameters that eight nets taught ({best.kilobytes:.0f} KB; {best.accuracy:.4f})"
    assert told in text
    assert f"The best of them for its size ({sized.name.tolist().index(best['name']) + 1}) is a MobileNetV2" in text
    assert (
        f"ours of {ours.parameters:,} has {ours.PublicTest_accuracy:.4f}, and an interval that includes the other"
        in text
    )
    assert ours.PublicTest_low < best.accuracy < ours.PublicTest_high


def test_what_the_readme_says_of_measuring_batchnorm_is_in_the_runs() -> None:
    runs = read_tables([ROOT / "figures" / "runs.csv"])
    same = [name for name in KEY if name != "batchnorm"]
    accuracies = ["validation_accuracy", "PublicTest_accuracy"]
    measured, running = (
        runs[runs.batchnorm == kind].set_index(same)[accuracies].add_suffix(f"_{kind}")
        for kind in ("measured", "running")
    )
    both = measured.join(running, how="inner")
    gains = {name: both[f"{name}_measured"] - both[f"{name}_running"] for name in accuracies}
    validation, test = (100 * gain.mean() for gain in gains.values())
    text = " ".join((ROOT / "figures" / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"Of {len(both)} runs the tables have both: measured, they have {validation:.1f} points more on validation in "
        f"the mean and {test:.1f} on PublicTest, where {(gains['PublicTest_accuracy'] > 0).sum()} of them gain."
    ) in text


def test_what_the_readme_says_teachers_and_time_are_worth_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv").sort_values("validation_accuracy")
    ways = runs[runs.model.isin(HOMEWORK)].groupby(["model", runs.teachers.notna()])
    best, epochs = (ways[name].last().unstack() for name in ("PublicTest_accuracy", "epochs"))
    gains, briefly = 100 * (best[True] - best[False]), epochs[False] == 16
    assert len(gains) == len(HOMEWORK)
    assert epochs.loc[["cnn-48k"]].nunique(axis=1).tolist() == [1]
    assert gains[~briefly].index.tolist() == ["cnn-48k"]
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    least, most = (words[round(points)] for points in (gains[briefly].min(), gains[briefly].max()))
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert (
        f"Teachers, time and today's recipe are worth {least} to {most} points to {words[briefly.sum()]} of the eight"
        in text
    )
    assert f"to cnn-48k its teacher alone, after as many epochs of the same, {gains['cnn-48k']:.1f}." in text


def test_what_is_said_of_trained_nets_taught_further_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv")
    text = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    more = runs[runs.start.notna()]
    before = runs[runs.start.isna()]
    before = before.loc[before.groupby("model").validation_accuracy.idxmax()].set_index("model")  # of equals, the first
    for row in more.itertuples():
        assert _beside(row, before.loc[str(row.model)], str(row.model)) in text
    assert len(more) == 13


def test_what_is_said_of_nets_with_and_without_teachers_at_equal_epochs_is_in_the_tables() -> None:
    runs = pd.read_csv(ROOT / "figures" / "results.csv")
    text = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
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


def test_what_the_readme_says_ships_does() -> None:
    files = bundled_names()
    smallest = min(parameters(build(name.rpartition(".")[0])) for name in files)
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert len(files) == 14
    assert f"Fourteen trained nets ship with it, from {smallest:,} parameters on." in text
