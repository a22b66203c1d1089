import pandas as pd

from fer_utils.models import matched
from fer_utils.report import comparison
from fer_utils.report.statistics import predictions
from tests.report.test_analysis import table_of

NONE = pd.DataFrame({"model": []})


def compared(accuracies: dict[str, float | list[float]], equals: pd.DataFrame = NONE) -> str:
    return comparison.families(table_of(accuracies), equals, "en").text


def test_a_change_of_the_table_changes_the_comparison() -> None:
    nets: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "mobilenet-112k": 0.64}
    first = compared({**nets, "cnn-48k": 0.50, "cnn-103k": 0.58, "cnn-852k": 0.65})
    assert "mobilenet-46k against cnn-48k, mobilenet-46k is 12.0 points better" in first
    assert "the pairs of equal size (1 seed a net) the MobileNet is better in 2 of 2, the plain CNN in 0;" in first
    assert "the MobileNets of these pairs lead by +18.7, +6.7 points" in first  # of the original, which is not ours
    assert "is cnn-852k, with 851,911, 7.6 times as many: the data do not decide" in first
    assert (
        "own numbers, also of validation, cnn-852k catches up with mobilenet-112k: 7.6 times the parameters." in first
    )
    assert "The next smaller one, cnn-103k (103,079), is 6.0 points behind; between" in first
    assert "**How the two differ in structure:**" in first
    assert "these runs alone cannot say which of the differences decides" in first
    second = compared({**nets, "cnn-48k": 0.70, "cnn-103k": 0.58, "cnn-852k": 0.63})
    assert "mobilenet-46k against cnn-48k, cnn-48k is 8.0 points better" in second
    assert "is cnn-48k, with 47,511, 0.4 times as many: cnn-48k is 6.0 points better" in second
    assert "the MobileNet is better in 1 of 2, the plain CNN in 1; 0 undecided." in second
    assert "next smaller" not in second


def test_taught_nets_are_called_taught() -> None:
    table = table_of({"mobilenet-46k": 0.62, "cnn-48k": 0.50})
    text = comparison.families(table.assign(teachers="vgg-1.9m@12 + teacher-1.4m@34"), NONE, "en").text
    assert "The homework's nets were all taught alike" in text
    assert "trained nets (2) answer" in text
    assert "taught" not in comparison.families(table, NONE, "en").text


def test_nobody_catches_up() -> None:
    text = compared({"mobilenet-46k": 0.62, "cnn-48k": 0.50})
    assert "no plain CNN here, up to 47,511 parameters, is as accurate on validation as mobilenet-46k" in text


def equals_of(*accuracies: float) -> pd.DataFrame:
    """A table of the five nets of 46,000 parameters, in the order of their steps."""
    return table_of(dict(zip(matched.chain(46_000), accuracies, strict=True)))


def test_what_a_lead_is_made_of() -> None:
    nets: dict[str, float | list[float]] = {"mobilenet-46k": 0.62, "cnn-48k": 0.50}
    first = compared(nets, equals_of(0.50, 0.53, 0.60, 0.56, 0.58))
    assert (
        "that differ in one thing, depth with the MobileNet's strides gains at 46k parameters; the head with" in first
    )
    assert "undecided at every size: the separable block with the width that it affords." in first
    assert "of the same size: +8.0." in first
    assert "no hidden layer between the average and the logits: +7.0;" in first
    assert "and wider for it: −2.0 (undecided). That is the block alone" in first
    assert "parameters, −4.0, and the saved parameters spent on width, +2.0 (undecided)." in first
    assert "these runs alone cannot say" not in first
    assert "That the saving as such pays is not shown here" in first
    second = compared(nets, equals_of(0.50, 0.53, 0.53, 0.49, 0.60))
    assert "So the saving pays at 46k parameters" in second
    assert "the separable block with the width that it affords gains at 46k parameters" in second
    assert "undecided at every size: the head without a hidden layer." in second
    third = compared(nets, equals_of(0.50, 0.505, 0.50, 0.505, 0.46))
    assert "the separable block with the width that it affords loses at 46k parameters; undecided" in third
    fourth = compared(nets, equals_of(0.50, 0.505, 0.50, 0.505, 0.50))
    assert "in one thing, undecided at every size: depth with the MobileNet's strides, the head w" in fourth
    assert "these runs alone cannot say" in compared(nets)


def test_failures_are_counted_on_the_same_faces() -> None:
    table = table_of({"mobilenet-46k": 0.62, "cnn-48k": 0.50, "vgg-1.9m": 0.70})
    text = comparison.costs_and_failures(table, "en").text
    wrong, also = (table.run.map(lambda run: predictions(run).query("part == 'PublicTest'"))[i] for i in (0, 2))
    both = ((wrong.predicted != wrong.label) & (also.predicted != also.label)).sum()
    assert f"faces that mobilenet-46k gets wrong, vgg-1.9m gets {both:,} wrong too" in text
    assert "these are the nets that none here with fewer parameters equals: mobilenet-46k, vgg-1.9m. With" in text
    assert "voters" not in text


def test_pairs_are_told_on_the_test_and_on_validation() -> None:
    text = compared({"mobilenet-46k": 0.62, "cnn-48k": 0.50})
    assert "On PublicTest, of the pairs of equal size (1 seed a net) the MobileNet is better in 1 of 1," in text
    assert "On validation, of the pairs of equal size (1 seed a net) the MobileNet is better in 1 of 1," in text
    assert "take 2.3 times the multiply-adds of the plain CNNs" in text  # 28.3 million against 12.3
    assert "takes 28.3 million multiply-adds and cnn-48k 12.3." in text
