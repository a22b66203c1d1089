import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis.people import score_all
from fer_utils.analysis.scoring import compare_with_ours, read_answers
from fer_utils.data.faces import CLASSES, FaceSet, canonical, mark_duplicates
from fer_utils.errors import InputError
from tests.test_cli import fer

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


@pytest.fixture(scope="module")
def voted(faces: FaceSet) -> FaceSet:
    """Drawn faces on which ten people agree with the label, and the last test face twice, as other people see it."""
    public = np.flatnonzero(faces.usage == "PublicTest")
    more = faces[np.append(np.arange(len(faces)), public[-1])]
    votes = 10 * np.eye(10, dtype=np.uint8)[more.labels]
    return mark_duplicates(replace(more, votes=votes))


@pytest.fixture
def right(voted: FaceSet) -> pd.DataFrame:
    """The right answers to the test faces."""
    rows = np.flatnonzero(voted.usage == "PublicTest")
    return pd.DataFrame({"row": rows, "label": [CLASSES[label] for label in voted.labels[rows]]})


def scored(table: pd.DataFrame, faces: FaceSet, folder: Path, order: str = "fer2013") -> dict:
    table.to_csv(folder / "answers.csv", index=False)
    return score_all(read_answers(folder / "answers.csv", faces, "PublicTest", order))


def test_right_answers_have_full_marks_in_any_order(right: pd.DataFrame, voted: FaceSet, tmp_path: Path) -> None:
    found = scored(right.sample(frac=1, random_state=0), voted, tmp_path)
    assert (found["accuracy"], found["n"]) == (1, len(right))
    assert found["votes"]["accuracy"] == 1
    assert found["votes"]["people"] == 5  # nobody is better than people who always agree
    assert found["votes"]["classes"] == len(CLASSES)  # it never answers contempt
    half = right.assign(label=right.label.where(right.index % 2 == 0, "contempt"))
    assert scored(half, voted, tmp_path)["accuracy"] == pytest.approx(0.5, abs=0.02)


def test_classes_have_the_names_and_numbers_of_fer2013_or_ferplus(
    right: pd.DataFrame, voted: FaceSet, tmp_path: Path
) -> None:
    theirs = dict(zip(("angry", "happy", "sad"), ("Anger", " happiness", "SADNESS"), strict=True))
    assert scored(right.replace({"label": theirs}), voted, tmp_path)["accuracy"] == 1
    numbers = right.assign(label=[CLASSES.index(name) for name in right.label])
    assert scored(numbers, voted, tmp_path)["accuracy"] == 1
    own = [{"angry": "anger", "happy": "happiness", "sad": "sadness"}.get(name, name) for name in right.label]
    other = right.assign(label=[FERPLUS.index(name) for name in own])
    assert scored(other, voted, tmp_path, "ferplus")["accuracy"] == 1
    assert scored(other, voted, tmp_path)["accuracy"] < 0.5


def test_probabilities_give_the_answer_and_the_log_loss(right: pd.DataFrame, voted: FaceSet, tmp_path: Path) -> None:
    shares = 0.4 / 7 + (0.6 - 0.4 / 7 + 0.4 / 7) * np.eye(8)[[CLASSES.index(name) for name in right.label]]
    shares /= shares.sum(1, keepdims=True)
    names = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"]
    table = pd.DataFrame(shares, columns=names).assign(id=right.row)
    found = scored(table, voted, tmp_path)
    assert found["accuracy"] == 1
    assert found["votes"]["log_loss"] == pytest.approx(-np.log(shares.max()))
    assert found["votes"]["calibration_error"] == pytest.approx(1 - shares.max())
    assert scored(table.assign(label="fear"), voted, tmp_path)["accuracy"] < 0.5  # the label is the answer


def test_faces_are_named_by_their_pixels_too(voted: FaceSet, tmp_path: Path) -> None:
    part = canonical(voted.part("PublicTest"))
    table = pd.DataFrame({"face": [f"{digest:016x}" for digest in part.digests], "label": part.labels})
    assert scored(table, voted, tmp_path)["accuracy"] == 1
    once = table.drop_duplicates()
    assert len(once) == len(table) - 1
    assert scored(once, voted, tmp_path)["accuracy"] == 1  # one answer for identical images


def test_faces_of_other_usages_are_ignored(voted: FaceSet, tmp_path: Path) -> None:
    every = pd.DataFrame({"row": np.arange(len(voted)), "label": voted.labels})
    assert scored(every, voted, tmp_path)["n"] == (voted.usage == "PublicTest").sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(index=3), r"1 of 43 PublicTest faces have no answer, the first is row \d+"),
        (lambda t: pd.concat([t, t.iloc[[5]]]), r"line 45: row '\d+' is repeated\. Give one answer per face"),
        (lambda t: t.assign(row=t.row.where(t.index != 2, 9999)), r"line 4: row '9999' is no face of drawn"),
        (lambda t: t.assign(row=t.row.where(t.index != 2, -1)), r"line 4: row '-1' is no face of drawn"),
        (lambda t: t.assign(label=t.label.where(t.index != 7, "hungry")), r"line 9: unknown class 'hungry'\. Allowed"),
        (lambda t: t.assign(label=8), r"line 2: unknown class '8'"),
        (lambda t: t.drop(columns="row"), r"no column `row`, `id` or `face`"),
        (lambda t: t.drop(columns="label"), r"no answers\. Add a column `label`"),
        (lambda t: t.drop(columns="label").assign(happy=1.0), r"probabilities for happy; expected is a column"),
        (lambda t: t.assign(**dict.fromkeys(CLASSES, 0.5)), r"line 2: probabilities that add up to 3\.500"),
        (lambda t: t.assign(**dict.fromkeys(CLASSES, 1 / 7)).assign(sad="x"), r"line 2: probability 'x' of sad"),
        (lambda t: t.assign(**dict.fromkeys(CLASSES, 1 / 7)).assign(fear=-1), r"line 2: probability '-1' of fear"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_refused_with_its_line(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, right: pd.DataFrame, voted: FaceSet, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        scored(change(right), voted, tmp_path)


def test_a_runs_predictions_are_scored_by_what_it_predicted(
    right: pd.DataFrame, voted: FaceSet, tmp_path: Path
) -> None:
    wrong = right.assign(predicted="contempt")  # `label` is then the truth
    assert scored(wrong, voted, tmp_path)["accuracy"] == 0


def test_ids_are_those_of_the_file(right: pd.DataFrame, voted: FaceSet, tmp_path: Path) -> None:
    named = replace(voted, ids=np.array([f"Face {i}" for i in range(len(voted))]))
    table = right.rename(columns={"row": "id"}).assign(id=[f"face {i}" for i in right.row])
    assert scored(table, named, tmp_path)["accuracy"] == 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace("row,label", "label,Label"), "two columns have the same name"),
        (lambda text: text.replace("angry", "angry,1", 1), r"line \d+: 3 fields, expected 2"),
        (lambda text: "", "is empty"),
    ],
)
def test_a_csv_of_another_form_is_refused(
    edit: Callable[[str], str], message: str, right: pd.DataFrame, voted: FaceSet, tmp_path: Path
) -> None:
    (tmp_path / "answers.csv").write_text(edit(right.to_csv(index=False)))
    with pytest.raises(InputError, match=message):
        read_answers(tmp_path / "answers.csv", voted, "PublicTest")


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16")])
def test_what_spreadsheets_save_is_read(
    separator: str, encoding: str, right: pd.DataFrame, voted: FaceSet, tmp_path: Path
) -> None:
    right.to_csv(tmp_path / "answers.csv", index=False, sep=separator, encoding=encoding)
    answers = read_answers(tmp_path / "answers.csv", voted, "PublicTest")
    assert (answers.predicted == answers.label).all()


def test_what_pandas_writes_is_read(right: pd.DataFrame, voted: FaceSet, tmp_path: Path) -> None:
    numbers = right.assign(row=right.row.astype(float), label=[float(CLASSES.index(name)) for name in right.label])
    text = "\ufeff" + numbers.to_csv(index=False) + "\n\n"
    (tmp_path / "answers.csv").write_text(text, encoding="utf-8")
    assert score_all(read_answers(tmp_path / "answers.csv", voted, "PublicTest"))["accuracy"] == 1


def test_identical_images_have_one_answer(voted: FaceSet, tmp_path: Path) -> None:
    part = canonical(voted.part("PublicTest"))
    table = pd.DataFrame({"face": [f"{digest:016x}" for digest in part.digests], "label": part.labels})
    twice = table.face.duplicated()
    with pytest.raises(InputError, match="identical images with different answers"):
        scored(table.assign(label=table.label.where(~twice, (table.label + 1) % 7)), voted, tmp_path)


def test_ours_of_the_nearest_size_answers_the_same_faces(right: pd.DataFrame, voted: FaceSet, tmp_path: Path) -> None:
    right.to_csv(tmp_path / "answers.csv", index=False)
    answers = read_answers(tmp_path / "answers.csv", voted, "PublicTest")
    labels, votes = compare_with_ours(answers, voted, "PublicTest", 46_500)
    assert (labels["network"], labels["parameters"]) == ("mobilenet-46k.fer2013", 45_959)
    assert (votes["network"], votes["truth"]) == ("mobilenet-46k.ferplus", "majority")
    for each in (labels, votes):
        assert each["low"] <= each["points"] <= each["high"]
        assert each["points"] > 0  # networks that learned photographs do not know drawn faces
        assert each["p"] < 0.05


def test_the_command_prints_and_returns_the_scores(csv_file: Path, faces: FaceSet, tmp_path: Path) -> None:
    rows = np.flatnonzero(faces.usage == "PublicTest")
    answers = tmp_path / "answers.csv"
    pd.DataFrame({"row": rows, "label": faces.labels[rows]}).to_csv(answers, index=False)
    found = json.loads(fer("score", str(answers), "--data", str(csv_file), "--json").stdout)
    assert (found["accuracy"], found["votes"], found["comparisons"]) == (1, None, [])
    shown = fer("score", str(answers), "--data", str(csv_file), "--parameters", "100000").stdout
    assert f"accuracy 1.0000 of {len(rows)} faces" in shown
    assert "against compact-103k.fer2013 (101,991 parameters) on labels: +" in shown
