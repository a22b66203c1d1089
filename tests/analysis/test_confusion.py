from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis import confusion
from fer_utils.analysis.costs import front
from fer_utils.analysis.statistics import interval
from fer_utils.data.load import load
from fer_utils.data.votes import COLUMNS
from fer_utils.training.launchers import Job
from fer_utils.training.study import single_stage
from tests.analysis.test_summary import table_of
from tests.training.test_study import finished_study

SAID = pd.DataFrame({"label": [0, 0, 0, 3, 3, 6], "predicted": [0, 0, 3, 3, 6, 6]})


def test_three_nets_are_the_examples() -> None:
    table = table_of({"vgg-1.9m": 0.7, "mobilenet-112k": 0.6, "mobilenet-46k": 0.5, "cnn-103k": 0.6, "cnn-48k": 0.4})
    assert confusion.examples(table) == ["mobilenet-46k", "cnn-48k", "vgg-1.9m"]
    assert confusion.examples(table_of({"cnn-48k": 0.4})) == ["cnn-48k"]


def test_recall_and_confusion_by_expression() -> None:
    found = confusion.recalls(SAID)
    assert found.recall.to_dict() == {0: pytest.approx(2 / 3), 3: 0.5, 6: 1.0}
    assert found.faces.to_dict() == {0: 3, 3: 2, 6: 1}
    assert (found.low[3], found.high[3]) == interval(0.5, 2)
    shares = confusion.confusion(SAID)
    assert shares[0, 3] == pytest.approx(1 / 3)
    assert shares[3, 6] == 0.5
    assert shares[1].sum() == 0  # an expression without faces


def test_every_expression_that_may_be_the_worst_is_named() -> None:
    labels = np.repeat([0, 1, 3], [200, 10, 200])
    right = np.concatenate([np.arange(200) < 80, np.arange(10) < 5, np.arange(200) < 180])  # 0.4, 0.5 of ten, 0.9
    said = pd.DataFrame({"label": labels, "predicted": np.where(right, labels, 6)})
    assert list(confusion.least_recognized(said)) == [0, 1]
    assert list(confusion.least_recognized(said.query("label != 1"))) == [0]


def test_voters_are_counted_on_wrong_and_right_faces() -> None:
    votes = np.array([0, 4, 3, 3, 6, -1])
    wrong, right = confusion.contested(SAID, votes)
    assert wrong == 1.0  # of the two that are wrong, voters see another label in both
    assert right == 1 / 3  # the last face has no majority
    assert confusion.clear_accuracies(SAID, votes) == (4 / 5, 3 / 5)


def test_the_votes_are_those_of_the_faces_in_their_order(csv_file: Path, tmp_path: Path) -> None:
    faces, votes = load(csv_file), tmp_path / "votes.csv"
    ballots = pd.DataFrame(10 * np.eye(len(COLUMNS), dtype=int)[faces.labels], columns=COLUMNS)
    ballots.iloc[0] = 10 * np.eye(len(COLUMNS), dtype=int)[4]
    ballots.assign(Usage=faces.usage).to_csv(votes, index=False)
    study, job = single_stage(["cnn-48k"], epochs=1, device="cpu"), Job(str(csv_file), tmp_path, device="cpu")
    table = finished_study(study, job)
    assert confusion.voted(table, str(csv_file), "") is None  # drawn faces are not among the bundled votes
    for shown in (
        table,
        table.drop(columns=[name for name in table if "PublicTest" in name]),
    ):  # the second has no test
        said = confusion.predictions_of(shown, "cnn-48k")
        voted = confusion.voted(shown, str(csv_file), str(votes))
        changed = [f"{digest:016x}" for digest in faces.digests[:1]]
        assert (voted == said.label.where(~said.face.isin(changed), 4)).all()


def test_the_front_has_the_nets_that_none_beats_in_both() -> None:
    cost = pd.Series([5, 1, 3, 3, 4])
    accuracy = pd.Series([0.9, 0.5, 0.7, 0.6, 0.65])
    assert front(cost, accuracy).tolist() == [1, 2, 0]
