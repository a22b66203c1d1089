import re

import pytest

from fer_utils.data import demo
from fer_utils.report import answers, comparison
from tests.report.test_analysis import table_of
from tests.report.test_comparison import NONE, compared, equals_of


def test_growth_is_told_with_its_numbers() -> None:
    text = answers.sweep(table_of({"mobilenet-46k": 0.60, "mobilenet-112k": 0.61, "mobilenet-158k": 0.66}), "en").text
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-158k (157,831)" in text
    assert "changes by +6.0 points, from 0.600 to 0.660: mobilenet-158k is 6.0 points better" in text
    assert "mobilenet-46k to mobilenet-112k, 2.43 times the parameters: +1.0 points (undecided)." in text
    assert "mobilenet-112k to mobilenet-158k, 1.41 times the parameters: +5.0 points." in text


def test_where_intervals_overlap_the_data_do_not_decide() -> None:
    text = answers.sweep(table_of({"cnn-48k": 0.60, "cnn-103k": 0.61}), "en").text
    assert "the data do not decide" in text
    assert "better" not in text


def test_architectures_are_compared_on_the_test() -> None:
    text = answers.architecture(table_of({"mobilenet-46k": 0.62, "vgg-1.9m": 0.68}), "en").text
    assert "mobilenet-46k has 45,959 trainable parameters, vgg-1.9m 1,872,327, 40.7 times as many" in text
    assert "On PublicTest, mobilenet-46k reaches 0.610" in text
    assert "vgg-1.9m is 6.0 points better" in text
    assert "0.631 and 0.685" in text


@pytest.mark.parametrize("answer", [answers.architecture, answers.sweep, comparison.costs_and_failures])
def test_demo_results_are_called_demo_results(answer) -> None:  # type: ignore[no-untyped-def]
    accuracies: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "cnn-48k": 0.5}
    bundle, metadata = answer(table_of(accuracies, data=demo.NAME), "en")._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("*Demo faces")
    assert metadata["fer_utils"]["note"]
    assert "emo" not in answer(table_of(accuracies), "en")._repr_mimebundle_()[0]["text/markdown"]


def test_one_model_alone_says_so() -> None:
    assert "one size alone" in answers.sweep(table_of({"cnn-48k": 0.5}), "en").text
    assert "here are only mobilenet-46k" in compared({"mobilenet-46k": 0.5})
    assert "one size alone" in answers.architecture(table_of({"mobilenet-46k": 0.5}), "en").text
    assert "wrong too" not in comparison.costs_and_failures(table_of({"mobilenet-46k": 0.5}), "en").text


def test_equals_are_called_equal() -> None:
    text = answers.sweep(table_of({"cnn-48k": 0.5, "cnn-103k": 0.5}), "en").text
    assert "changes by +0.0 points" in text
    assert "the two are equal to a tenth of a point (" in text
    assert "do not decide" in text


def test_families_are_told_apart() -> None:
    nets: dict[str, float | list[float]] = {
        "cnn-48k": 0.5,
        "cnn-103k": 0.6,
        "mobilenet-46k": 0.6,
        "mobilenet-112k": 0.7,
    }
    text = answers.sweep(table_of(nets), "en").text
    assert "From cnn-48k (47,511 parameters) to cnn-103k" in text
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-112k" in text
    alone = answers.sweep(table_of(nets | {"compact-46k": 0.7}), "en").text
    assert "Of its family only compact-46k was trained: one size alone says nothing about growth." in alone


def test_the_original_stands_beside_ours() -> None:
    text = answers.sweep(table_of({"cnn-48k": 0.6, "cnn-103k": 0.6, "cnn-150k": 0.6, "cnn-852k": 0.6}), "en").text
    assert "has 0.449, 0.576, 0.613, 0.656 for these nets" in text
    assert "ours less those: −5.6 to +15.1 points" in text
    drawn = table_of({"cnn-48k": 0.6, "cnn-103k": 0.6, "mobilenet-46k": 0.6}, data=demo.NAME)
    assert "original" not in answers.sweep(drawn, "en").text + comparison.families(drawn, NONE, "en").text
    assert "original" not in answers.sweep(table_of({"compact-46k": 0.6, "compact-58k": 0.6}), "en").text


def test_the_answers_are_there_in_chinese() -> None:
    table = table_of({"mobilenet-46k": 0.62, "mobilenet-112k": 0.65, "cnn-48k": 0.50, "cnn-103k": 0.55})
    texts = [
        answers.architecture(table, "zh-TW"),
        answers.sweep(table, "zh-TW"),
        comparison.costs_and_failures(table, "zh-TW"),
    ]
    texts.append(comparison.families(table, equals_of(0.50, 0.53, 0.60, 0.56, 0.58), "zh-TW"))
    for text in texts:
        assert not set(re.findall(r"[A-Za-z]{4,}", text.text)) - {
            "MobileNet",
            "McNemar",
            "bootstrap",
            "PublicTest",
            "Pareto",
            "epoch",
            "mobilenet",
            "separable",
        }
