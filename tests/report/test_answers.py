import re
from collections.abc import Callable

import pandas as pd
import pytest

from fer_utils.analysis.statistics import predictions
from fer_utils.data import demo
from fer_utils.models import matched
from fer_utils.report import answers
from fer_utils.report.language import LANGUAGES
from tests.analysis.test_people import voted_table
from tests.analysis.test_summary import table_of

Accuracies = dict[str, float | list[float]]
NONE = pd.DataFrame({"model": []})
NAMES = ("architecture", "sweep")  # of answers from one table
PAIR: Accuracies = {"mobilenet-46k": 0.62, "cnn-48k": 0.50}
PAIRS: Accuracies = {"mobilenet-46k": 0.62, "mobilenet-112k": 0.64, "cnn-48k": 0.50, "cnn-103k": 0.58, "cnn-852k": 0.65}


def equals_of(*accuracies: float) -> pd.DataFrame:
    """A table of the five networks of the ablation at 46,000 parameters, in the order of its steps."""
    return table_of(dict(zip(matched.chain(46_000), accuracies, strict=True)))


def gains() -> pd.DataFrame:
    return equals_of(0.50, 0.53, 0.60, 0.56, 0.58)


TABLES = {
    "one model": lambda: table_of({"mobilenet-46k": 0.6}),
    "ties": lambda: table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.6, "cnn-103k": 0.6}),
    "no significance": lambda: table_of(
        {"mobilenet-46k": 0.6, "mobilenet-112k": 0.605, "cnn-48k": 0.602, "cnn-103k": 0.6}
    ),
    "no CNN": lambda: table_of({"mobilenet-46k": 0.6, "mobilenet-112k": 0.65, "mobilenet-158k": 0.66}),
    "no pair": lambda: table_of({"mobilenet-46k": 0.6, "cnn-852k": 0.65}),
    "demo": lambda: table_of(PAIRS, data=demo.NAME),
    "distilled": lambda: table_of(PAIRS).assign(teachers="vgg-1.9m@12 + teacher-1.4m@34"),
    "two seeds": lambda: table_of({"mobilenet-46k": [0.60, 0.61], "cnn-48k": [0.55, 0.54]}),
}
VOTED = {
    "from votes": lambda: voted_table({("cnn-48k", "votes"): 0.8}),
    "from labels": lambda: voted_table({("cnn-48k", "labels"): 0.6}),
    "from both": lambda: voted_table(
        {("cnn-48k", "labels"): 0.6, ("cnn-103k", "labels"): 0.65, ("cnn-48k", "votes"): 0.8}
    ),
}
ABLATIONS = {"none": lambda: NONE, "a gain": gains, "ties": lambda: equals_of(*[0.5] * 5)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TABLES)
def test_every_answer_is_whole_on_every_kind_of_table(kind: str, language: str) -> None:
    table = TABLES[kind]()
    texts = [getattr(answers, name)(table, language) for name in NAMES]
    ablations = [ablation() for ablation in ABLATIONS.values()]
    texts += [answers.families(table, ablation, language) for ablation in ablations]
    discussions = [getattr(answers, f"{name}_discussion")(table, language) for name in (*NAMES, "costs")]
    discussions += [answers.families_discussion(table, ablation, language) for ablation in ablations]
    assert all(text.text for text in texts)
    for text in texts + discussions:
        assert not re.search(r"None|nan|[{}]|  |\(\)|（）|[,;、；] ?[.。]|\n\n\n", text.text), text.text
        assert bool(text.note) == (kind == "demo")
        # Each lead opens a paragraph, and an answer is one paragraph.
        assert not re.search(r"[^\n]\n?\*\*(Where|From|Catch|How|Abl|Do|參|每|追|結構|消|標)", text.text)
        if language == "zh-TW":
            words = {"MobileNet", "McNemar", "bootstrap", "PublicTest", "Pareto", "epoch", "mobilenet", "separable"}
            assert set(re.findall(r"[A-Za-z]{4,}", text.text)) <= words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*VOTED, "no votes"])
def test_the_answer_on_people_is_whole_on_every_kind_of_table(kind: str, language: str) -> None:
    table = VOTED.get(kind, TABLES["ties"])()
    text = answers.people(table, language).text + answers.people_discussion(table, language).text
    assert not re.search(r"None|nan|[{}]|  |\(\)|（）|[,;、；] ?[.。]|\n\n\n", text), text
    if language == "zh-TW":
        words = {"data", "published", "ferplus", "Spearman"}
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= words


def people(accuracies: dict[tuple[str, str], float], *, bias: float = 0.0) -> str:
    table = voted_table(accuracies, bias=bias)
    return f"{answers.people(table, 'en').text}\n\n{answers.people_discussion(table, 'en').text}"


LABELS, VOTES = ("cnn-48k", "labels"), ("cnn-48k", "votes")


def families(accuracies: Accuracies, equals: pd.DataFrame = NONE) -> str:
    return families_of(table_of(accuracies), equals)


def families_of(table: pd.DataFrame, equals: pd.DataFrame = NONE) -> str:
    both = (answers.families(table, equals, "en"), answers.families_discussion(table, equals, "en"))
    return "\n\n".join(text.text for text in both)


def sweep(accuracies: Accuracies) -> str:
    return sweep_of(table_of(accuracies))


def sweep_of(table: pd.DataFrame) -> str:
    return f"{answers.sweep(table, 'en').text}\n\n{answers.sweep_discussion(table, 'en').text}"


# Texts are made by the tests: each process would make all of them while it collects tests.
Claim = tuple[Callable[[], str], str]
CLAIMS: list[tuple[str, Claim, Claim]] = [
    (
        "which of a pair is better",
        (lambda: families(PAIR), "The difference is +12.0 points on PublicTest and +12.0 points on validation"),
        (
            lambda: families(PAIR | {"cnn-48k": 0.70}),
            "The difference is −8.0 points on PublicTest and −8.0 points on val",
        ),
    ),
    (
        "how many pairs",
        (
            lambda: families(PAIRS),
            "in 2 of 2 pairs on PublicTest and in 2 of 2 pairs on validation (1 seed per network).",
        ),
        (
            lambda: families(PAIRS | {"cnn-48k": 0.70}),
            "better in 1 of 2 pairs on PublicTest, the plain CNN in 1 and in 1 of 2",
        ),
    ),
    (
        "whether a CNN catches up",
        (
            lambda: families(PAIRS),
            "is cnn-852k, with 851,911 parameters, 7.6 times as many; the difference is not significant",
        ),
        (lambda: families(PAIR), "no plain CNN here reaches the accuracy of mobilenet-46k (45,959 parameters) on"),
    ),
    (
        "the size before",
        (lambda: families(PAIRS), "The next smaller one, cnn-103k (103,079), is 6.0 points behind; no size in between"),
        (
            lambda: families(PAIRS | {"cnn-48k": 0.70}),
            "is cnn-48k, with 47,511 parameters, 0.4 times as many; cnn-48k is 6.0 ",
        ),
    ),
    (
        "what is known of the reasons",
        (lambda: families(PAIR), "These runs cannot test it: depth, width, convolutions"),
        (lambda: families(PAIR, gains()), "the accuracy changes by +8.0:"),
    ),
    (
        "that the saving pays",
        (
            lambda: families(PAIR, equals_of(0.50, 0.53, 0.53, 0.49, 0.60)),
            "So separable convolutions pay off at 46k par",
        ),
        (
            lambda: families(PAIR, equals_of(0.50, 0.53, 0.60, 0.56, 0.58)),
            "do not show that separable convolutions pay",
        ),
    ),
    (
        "which change gains",
        (lambda: families(PAIR, equals_of(0.50, 0.53, 0.53, 0.49, 0.60)), "width that they allow raised accuracy"),
        (lambda: families(PAIR, equals_of(0.50, 0.505, 0.50, 0.505, 0.46)), "width that they allow lowered accuracy"),
    ),
    (
        "which change has no effect",
        (
            lambda: families(PAIR, equals_of(0.50, 0.505, 0.50, 0.505, 0.50)),
            "not significant by itself at any size: depth with the Mob",
        ),
        (
            lambda: families(PAIR, equals_of(0.40, 0.50, 0.60, 0.65, 0.70)),
            "each of them is significant at one size or more.",
        ),
    ),
    (
        "whether accuracy grows",
        (
            lambda: sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}),
            "set goes from 0.500 to 0.560: cnn-103k is 6.0 points better",
        ),
        (
            lambda: sweep({"cnn-48k": 0.56, "cnn-103k": 0.50}),
            "set goes from 0.560 to 0.500: cnn-48k is 6.0 points better",
        ),
    ),
    (
        "whether growth is significant",
        (lambda: sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}), "points better (+"),
        (lambda: sweep({"cnn-48k": 0.50, "cnn-103k": 0.501}), "not significant (cnn-103k leads by 0.1 points, −"),
    ),
    (
        "what a network is worth",
        (lambda: people({VOTES: 0.5}), "of the faces and is worth less than one person**"),
        (lambda: people({VOTES: 1.0}), "of the faces and is worth more than five people**"),
    ),
    (
        "whether another network agrees better",
        (
            lambda: people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}),
            "In agreement with people, it differs by +24.7 points (+",
        ),
        (lambda: people({LABELS: 0.5, ("cnn-103k", "labels"): 0.501}), ", which includes zero)."),
    ),
    (
        "which labels another network learns",
        (lambda: people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}), "and +0.0 from the others"),
        (lambda: people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}, bias=0.5), "and −"),
    ),
    (
        "whether two are equal",
        (lambda: sweep({"cnn-48k": 0.50, "cnn-103k": 0.50}), "goes from 0.500 to 0.500: the two are equal to a tenth"),
        (lambda: sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}), "cnn-103k is 6.0 points better"),
    ),
]


@pytest.mark.parametrize(("claim", "first", "second"), CLAIMS, ids=[claim for claim, *_ in CLAIMS])
def test_tables_that_differ_in_a_claim_give_opposite_sentences(claim: str, first: Claim, second: Claim) -> None:
    texts = [text() for text, _ in (first, second)]
    for text, other, (_, told) in zip(texts, reversed(texts), (first, second), strict=True):
        assert told in text
        assert told not in other


def test_growth_is_told_with_its_numbers() -> None:
    text = sweep({"mobilenet-46k": 0.60, "mobilenet-112k": 0.61, "mobilenet-158k": 0.66})
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-158k (157,831)" in text
    assert "Of the 2 steps from one size to the next on validation, 1 is significant." in text
    assert "- +1.0 points (not significant) from mobilenet-46k to mobilenet-112k, 2.43 times the parameters;" in text
    assert "- +5.0 points from mobilenet-112k to mobilenet-158k, 1.41 times the parameters." in text


def test_architectures_are_compared_on_the_test() -> None:
    table = table_of({"mobilenet-46k": 0.62, "vgg-1.9m": 0.68})
    text = answers.architecture(table, "en").text
    assert "**On PublicTest, vgg-1.9m is 6.0 points better (" in text
    assert "; vgg-1.9m has 40.7 times the parameters and takes 7.4 times the multiply-accumulates (MACs) of" in text
    assert "mobilenet-46k (45,959 parameters, 28.3 million MACs per image) reaches an accuracy of 0.610" in text
    assert "On validation, vgg-1.9m is 6.0 points better" in text
    text = answers.architecture_discussion(table, "en").text
    assert "hold 1 % of the parameters of mobilenet-46k and 70 % of the parameters of vgg-1.9m" in text
    assert "0.631 (mobilenet-46k) and 0.685 (vgg-1.9m)" in text


def test_families_are_told_apart() -> None:
    nets: Accuracies = {"cnn-48k": 0.5, "cnn-103k": 0.6, "mobilenet-46k": 0.6, "mobilenet-112k": 0.7}
    text = sweep(nets | {"compact-46k": 0.7})
    assert "From cnn-48k (47,511 parameters) to cnn-103k" in text
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-112k" in text
    assert "Of its family, only compact-46k was trained; a trend needs at least two sizes." in text


def test_the_original_stands_beside_ours() -> None:
    text = sweep({"cnn-48k": 0.6, "cnn-103k": 0.6, "cnn-150k": 0.6, "cnn-852k": 0.6})
    assert "measured 0.449, 0.576, 0.613, 0.656 for these networks" in text
    assert "Ours minus these: −5.6 to +15.1 points." in text
    assert "the MobileNets of these pairs lead by +18.7, +6.7 points" in families(PAIRS)
    assert "cnn-852k catches up with mobilenet-112k at 7.6 times the parameters." in families(PAIRS)
    drawn = table_of(PAIRS, data=demo.NAME)
    assert "original" not in sweep_of(drawn) + families_of(drawn)
    assert "original" not in sweep({"compact-46k": 0.6, "compact-58k": 0.6})


def test_costs_are_those_of_the_pairs() -> None:
    text = families(PAIR)
    assert "takes 2.3 times the MACs." in text
    assert "2.3 to 9.7 times the MACs." in families(PAIRS)


def test_the_steps_of_the_ablation_are_told_one_by_one() -> None:
    text = families(PAIR, gains())
    assert "no hidden layer between the average pooling and the logits: +7.0;" in text
    assert "spent on width: −2.0 (not significant). The convolutions alone" in text
    assert "change it by −4.0; the width adds +2.0 (not significant)." in text


def test_distilled_networks_are_called_distilled() -> None:
    text = families_of(TABLES["distilled"](), gains())
    assert "distilled from the same ensemble of 2 teachers. The networks of the ablation were trained from" in text
    assert "distilled" not in families(PAIRS, gains())
    mixed = TABLES["distilled"]().assign(teachers=["vgg-1.9m@12", *[""] * (len(PAIRS) - 1)])
    text = families_of(mixed, gains())
    assert "distilled" not in text
    assert "trained alike" not in text
    assert "trained alike" in families(PAIRS)


def test_errors_are_counted_on_the_same_faces() -> None:
    table = table_of({**PAIR, "vgg-1.9m": 0.70})
    text = answers.costs_discussion(table, "en").text
    wrong, also = (predictions(table.run[i], "PublicTest") for i in (0, 2))
    both = (~wrong.right & ~also.right).sum()
    assert f"faces that mobilenet-46k misclassifies, vgg-1.9m misclassifies {both:,} as well" in text
    assert "these are mobilenet-46k, vgg-1.9m; by MACs," in text
    assert "voters" not in text


def test_demo_results_open_with_a_note() -> None:
    bundle, metadata = answers.sweep(TABLES["demo"](), "en")._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("*Results on demo faces")
    assert metadata["fer_utils"]["note"]
