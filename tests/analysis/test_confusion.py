import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis import confusion
from fer_utils.analysis.costs import front
from fer_utils.analysis.statistics import interval
from tests.analysis.test_summary import table_of

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
    said = SAID.assign(majority=[0, 4, 3, 3, 6, -1])
    wrong, right = confusion.contested(said)
    assert wrong == 1.0  # of the two that are wrong, voters see another label in both
    assert right == 1 / 3  # the last face has no majority
    assert confusion.clear_accuracies(said) == (4 / 5, 3 / 5)


def test_the_front_has_the_nets_that_none_beats_in_both() -> None:
    cost = pd.Series([5, 1, 3, 3, 4])
    accuracy = pd.Series([0.9, 0.5, 0.7, 0.6, 0.65])
    assert front(cost, accuracy).tolist() == [1, 2, 0]
