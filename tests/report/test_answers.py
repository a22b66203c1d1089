import re

import pandas as pd
import pytest

from fer_utils.models import matched
from fer_utils.report import answers
from fer_utils.report.statistics import predictions
from tests.report.test_analysis import table_of

NONE = pd.DataFrame({"model": []})


def compared(accuracies: dict[str, float | list[float]], equals: pd.DataFrame = NONE) -> str:
    return answers.comparison(table_of(accuracies), equals, "en").text


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


def test_a_change_of_the_table_changes_the_comparison() -> None:
    nets: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "mobilenet-112k": 0.64}
    first = compared({**nets, "cnn-48k": 0.50, "cnn-103k": 0.58, "cnn-852k": 0.65})
    assert "mobilenet-46k against cnn-48k, mobilenet-46k is 12.0 points better" in first
    assert "of 2 pairs of equal size the MobileNet wins 2 and the plain CNN 0; 0 are undecided." in first
    assert "the MobileNets of these pairs lead by +18.7, +6.7 points" in first  # of the original, which is not ours
    assert "is cnn-852k, with 851,911, 7.6 times as many: the data do not decide" in first
    assert "The next smaller one, cnn-103k (103,079), is 6.0 points behind; between" in first
    assert "the block and the head explain a lead" in first
    second = compared({**nets, "cnn-48k": 0.70, "cnn-103k": 0.58, "cnn-852k": 0.63})
    assert "mobilenet-46k against cnn-48k, cnn-48k is 8.0 points better" in second
    assert "is cnn-48k, with 47,511, 0.4 times as many: cnn-48k is 6.0 points better" in second
    assert "it shows none that the data decide" in second
    assert "the MobileNet wins 1 and the plain CNN 1; 0 are undecided." in second
    assert "next smaller" not in second


def test_nobody_catches_up() -> None:
    text = compared({"mobilenet-46k": 0.62, "cnn-48k": 0.50})
    assert "no plain CNN here, up to 47,511 parameters, is as accurate on validation as mobilenet-46k" in text


def test_architectures_are_compared_on_the_test() -> None:
    text = answers.architecture(table_of({"mobilenet-46k": 0.62, "vgg-1.9m": 0.68}), "en").text
    assert "mobilenet-46k has 45,959 trainable parameters, vgg-1.9m 1,872,327, 40.7 times as many" in text
    assert "On PublicTest, mobilenet-46k reaches 0.610" in text
    assert "vgg-1.9m is 6.0 points better" in text
    assert "0.631 and 0.685" in text


@pytest.mark.parametrize("answer", [answers.architecture, answers.sweep, answers.costs_and_failures])
def test_demo_results_are_called_demo_results(answer) -> None:  # type: ignore[no-untyped-def]
    accuracies: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "cnn-48k": 0.5}
    bundle, metadata = answer(table_of(accuracies, data="demo"), "en")._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("*Demo faces")
    assert metadata["fer_utils"]["note"]
    assert "emo" not in answer(table_of(accuracies), "en")._repr_mimebundle_()[0]["text/markdown"]


def test_one_model_alone_says_so() -> None:
    assert "one size alone" in answers.sweep(table_of({"cnn-48k": 0.5}), "en").text
    assert "here are only mobilenet-46k" in compared({"mobilenet-46k": 0.5})
    assert "one size alone" in answers.architecture(table_of({"mobilenet-46k": 0.5}), "en").text
    assert "wrong too" not in answers.costs_and_failures(table_of({"mobilenet-46k": 0.5}), "en").text


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


def equals_of(*accuracies: float) -> pd.DataFrame:
    """A table of the five nets of 46,000 parameters, in the order of their steps."""
    return table_of(dict(zip(matched.chain(46_000), accuracies, strict=True)))


def test_what_a_lead_is_made_of() -> None:
    nets: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "cnn-48k": 0.50}
    first = compared(nets, equals_of(0.50, 0.53, 0.60, 0.56, 0.58))
    assert "that differ in one thing, depth gains at 46k parameters; the head without a hidden layer gains at" in first
    assert "undecided at every size: the separable block with the width that it affords." in first
    assert "of the same size: +8.0." in first
    assert "no hidden layer between the average and the logits: +7.0;" in first
    assert "and wider for it: -2.0 (undecided). That is the block alone" in first
    assert "parameters, -4.0, and the saved parameters spent on width, +2.0 (undecided)." in first
    assert "these runs alone cannot say" not in first
    second = compared(nets, equals_of(0.50, 0.53, 0.53, 0.49, 0.60))
    assert "the separable block with the width that it affords gains at 46k parameters" in second
    assert "undecided at every size: the head without a hidden layer." in second
    third = compared(nets, equals_of(0.50, 0.505, 0.50, 0.505, 0.46))
    assert "the separable block with the width that it affords loses at 46k parameters; undecided" in third
    fourth = compared(nets, equals_of(0.50, 0.505, 0.50, 0.505, 0.50))
    assert "in one thing, undecided at every size: depth, the head without a hidden layer, the separable" in fourth
    assert "these runs alone cannot say" in compared(nets)


def test_the_original_stands_beside_ours() -> None:
    text = answers.sweep(table_of({"cnn-48k": 0.6, "cnn-103k": 0.6, "cnn-150k": 0.6, "cnn-852k": 0.6}), "en").text
    assert "has 0.449, 0.576, 0.613, 0.656 for these nets" in text
    assert "ours lie -5.6 to +15.1 points from that" in text
    drawn = table_of({"cnn-48k": 0.6, "cnn-103k": 0.6, "mobilenet-46k": 0.6}, data="demo")
    assert "original" not in answers.sweep(drawn, "en").text + answers.comparison(drawn, NONE, "en").text
    assert "original" not in answers.sweep(table_of({"compact-46k": 0.6, "compact-58k": 0.6}), "en").text


def test_failures_are_counted_on_the_same_faces() -> None:
    table = table_of({"mobilenet-46k": 0.62, "cnn-48k": 0.50, "vgg-1.9m": 0.70})
    text = answers.costs_and_failures(table, "en").text
    wrong, also = (table.run.map(lambda run: predictions(run).query("part == 'PublicTest'"))[i] for i in (0, 2))
    both = ((wrong.predicted != wrong.label) & (also.predicted != also.label)).sum()
    assert f"faces that mobilenet-46k gets wrong, vgg-1.9m gets {both:,} wrong too" in text
    assert "none of mobilenet-46k, vgg-1.9m is beaten in both parameters and accuracy" in text
    assert "voters" not in text


def test_the_answers_are_there_in_chinese() -> None:
    table = table_of({"mobilenet-46k": 0.62, "mobilenet-112k": 0.65, "cnn-48k": 0.50, "cnn-103k": 0.55})
    texts = [
        answers.architecture(table, "zh-TW"),
        answers.sweep(table, "zh-TW"),
        answers.costs_and_failures(table, "zh-TW"),
    ]
    texts.append(answers.comparison(table, equals_of(0.50, 0.53, 0.60, 0.56, 0.58), "zh-TW"))
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
