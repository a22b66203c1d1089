import re

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
PAIR: Accuracies = {"mobilenet-46k": 0.62, "cnn-48k": 0.50}
PAIRS: Accuracies = {"mobilenet-46k": 0.62, "mobilenet-112k": 0.64, "cnn-48k": 0.50, "cnn-103k": 0.58, "cnn-852k": 0.65}


def equals_of(*accuracies: float) -> pd.DataFrame:
    """A table of the five networks of the ablation at 46,000 parameters, in the order of its steps."""
    return table_of(dict(zip(matched.chain(46_000), accuracies, strict=True)))


TABLES = {
    "one model": table_of({"mobilenet-46k": 0.6}),
    "ties": table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.6, "cnn-103k": 0.6}),
    "no significance": table_of({"mobilenet-46k": 0.6, "mobilenet-112k": 0.605, "cnn-48k": 0.602, "cnn-103k": 0.6}),
    "no CNN": table_of({"mobilenet-46k": 0.6, "mobilenet-112k": 0.65, "mobilenet-158k": 0.66}),
    "no pair": table_of({"mobilenet-46k": 0.6, "cnn-852k": 0.65}),
    "demo": table_of(PAIRS, data=demo.NAME),
    "distilled": table_of(PAIRS).assign(teachers="vgg-1.9m@12 + teacher-1.4m@34"),
    "two seeds": table_of({"mobilenet-46k": [0.60, 0.61], "cnn-48k": [0.55, 0.54]}),
}
VOTED = {
    "from votes": voted_table({("cnn-48k", "votes"): 0.8}),
    "from labels": voted_table({("cnn-48k", "labels"): 0.6}),
    "from both": voted_table({("cnn-48k", "labels"): 0.6, ("cnn-103k", "labels"): 0.65, ("cnn-48k", "votes"): 0.8}),
}
ABLATIONS = {"none": NONE, "a gain": equals_of(0.50, 0.53, 0.60, 0.56, 0.58), "ties": equals_of(*[0.5] * 5)}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TABLES)
def test_every_answer_is_whole_on_every_kind_of_table(kind: str, language: str) -> None:
    table = TABLES[kind]
    texts = [getattr(answers, name)(table, language) for name in ("architecture", "sweep", "costs")]
    texts += [answers.families(table, ablation, language) for ablation in ABLATIONS.values()]
    for text in texts:
        assert text.text
        assert not re.search(r"None|nan|[{}]|  |\(\)|（）|[,;、；] ?[.。]|\n\n\n", text.text), text.text
        assert bool(text.note) == (kind == "demo")
        # Each lead opens a paragraph.
        assert not re.search(r"[^\n]\n?\*\*(In short|Param|Catch|How|Abl|結論|參|追|結構|消)", text.text)
        if language == "zh-TW":
            words = {"MobileNet", "McNemar", "bootstrap", "PublicTest", "Pareto", "epoch", "mobilenet", "separable"}
            assert set(re.findall(r"[A-Za-z]{4,}", text.text)) <= words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [*VOTED, "no votes"])
def test_the_answer_on_people_is_whole_on_every_kind_of_table(kind: str, language: str) -> None:
    text = answers.people(VOTED.get(kind, TABLES["ties"]), language).text
    assert not re.search(r"None|nan|[{}]|  |\(\)|（）|[,;、；] ?[.。]|\n\n\n", text), text
    if language == "zh-TW":
        words = {"data", "published", "ferplus", "Spearman"}
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= words


def people(accuracies: dict[tuple[str, str], float], *, bias: float = 0.0) -> str:
    return answers.people(voted_table(accuracies, bias=bias), "en").text


LABELS, VOTES = ("cnn-48k", "labels"), ("cnn-48k", "votes")


def families(accuracies: Accuracies, equals: pd.DataFrame = NONE) -> str:
    return answers.families(table_of(accuracies), equals, "en").text


def sweep(accuracies: Accuracies) -> str:
    return answers.sweep(table_of(accuracies), "en").text


CLAIMS = [
    (
        "which of a pair is better",
        (families(PAIR), "mobilenet-46k against cnn-48k: mobilenet-46k is 12.0 points better (+"),
        (families(PAIR | {"cnn-48k": 0.70}), "mobilenet-46k against cnn-48k: cnn-48k is 8.0 points better (+"),
    ),
    (
        "how many pairs",
        (families(PAIRS), "in 2 of 2 parameter-matched pairs and the plain CNN in 0; the diff"),
        (families(PAIRS | {"cnn-48k": 0.70}), "in 1 of 2 parameter-matched pairs and the plain CNN in 1; the diff"),
    ),
    (
        "whether a CNN catches up",
        (families(PAIRS), "is cnn-852k, with 851,911 parameters, 7.6 times as many; the difference is not significant"),
        (families(PAIR), "no plain CNN here, up to 47,511 parameters, is as accurate on"),
    ),
    (
        "the size before",
        (families(PAIRS), "The next smaller one, cnn-103k (103,079), is 6.0 points behind; no size in between"),
        (families(PAIRS | {"cnn-48k": 0.70}), "is cnn-48k, with 47,511 parameters, 0.4 times as many; cnn-48k is 6.0 "),
    ),
    (
        "what is known of the reasons",
        (families(PAIR), "these runs alone cannot say which of the differences matters."),
        (families(PAIR, ABLATIONS["a gain"]), "the accuracy changes by +8.0:"),
    ),
    (
        "that the saving pays",
        (families(PAIR, equals_of(0.50, 0.53, 0.53, 0.49, 0.60)), "So separable convolutions pay off at 46k par"),
        (families(PAIR, equals_of(0.50, 0.53, 0.60, 0.56, 0.58)), "do not show that separable convolutions pay"),
    ),
    (
        "which change gains",
        (families(PAIR, equals_of(0.50, 0.53, 0.53, 0.49, 0.60)), "width that they allow raised accuracy"),
        (families(PAIR, equals_of(0.50, 0.505, 0.50, 0.505, 0.46)), "width that they allow lowered accuracy"),
    ),
    (
        "which change has no effect",
        (families(PAIR, equals_of(0.50, 0.505, 0.50, 0.505, 0.50)), "not significant at any size: depth with the Mob"),
        (families(PAIR, equals_of(0.40, 0.50, 0.60, 0.65, 0.70)), "every change is significant at one size or more."),
    ),
    (
        "whether accuracy grows",
        (sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}), "changes by +6.0 points, from 0.500 to 0.560: cnn-103k is 6.0 "),
        (sweep({"cnn-48k": 0.56, "cnn-103k": 0.50}), "changes by −6.0 points, from 0.560 to 0.500: cnn-48k is 6.0 p"),
    ),
    (
        "whether growth is significant",
        (sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}), "points better (+"),
        (sweep({"cnn-48k": 0.50, "cnn-103k": 0.501}), "not significant (cnn-103k leads by 0.1 points, −"),
    ),
    (
        "what a network is worth",
        (people({VOTES: 0.5}), "of the faces and is worth less than one person. FER2013"),
        (people({VOTES: 1.0}), "of the faces and is worth more than five people. FER2013"),
    ),
    (
        "whether another network agrees better",
        (people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}), "points (95 % confidence interval +"),
        (people({LABELS: 0.5, ("cnn-103k", "labels"): 0.501}), ", which includes zero)."),
    ),
    (
        "which labels another network learns",
        (people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}), "and +0.0 from the others"),
        (people({LABELS: 0.5, ("cnn-103k", "labels"): 0.8}, bias=0.5), "and −"),
    ),
    (
        "whether two are equal",
        (sweep({"cnn-48k": 0.50, "cnn-103k": 0.50}), "changes by +0.0 points, from 0.500 to 0.500: the two are equal"),
        (sweep({"cnn-48k": 0.50, "cnn-103k": 0.56}), "cnn-103k is 6.0 points better"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "first", "second"), CLAIMS, ids=[claim for claim, *_ in CLAIMS])
def test_tables_that_differ_in_a_claim_give_opposite_sentences(
    claim: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    for (text, told), (other, _) in ((first, second), (second, first)):
        assert told in text
        assert told not in other


def test_growth_is_told_with_its_numbers() -> None:
    text = sweep({"mobilenet-46k": 0.60, "mobilenet-112k": 0.61, "mobilenet-158k": 0.66})
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-158k (157,831)" in text
    assert "- mobilenet-46k to mobilenet-112k, 2.43 times the parameters: +1.0 points (not significant)." in text
    assert "- mobilenet-112k to mobilenet-158k, 1.41 times the parameters: +5.0 points." in text


def test_architectures_are_compared_on_the_test() -> None:
    text = answers.architecture(table_of({"mobilenet-46k": 0.62, "vgg-1.9m": 0.68}), "en").text
    assert "mobilenet-46k has 45,959 trainable parameters and vgg-1.9m has 1,872,327, 40.7 times as many" in text
    assert "On PublicTest, mobilenet-46k reaches an accuracy of 0.610" in text
    assert "vgg-1.9m is 6.0 points better" in text
    assert "0.631 and 0.685" in text


def test_families_are_told_apart() -> None:
    nets: Accuracies = {"cnn-48k": 0.5, "cnn-103k": 0.6, "mobilenet-46k": 0.6, "mobilenet-112k": 0.7}
    text = sweep(nets | {"compact-46k": 0.7})
    assert "From cnn-48k (47,511 parameters) to cnn-103k" in text
    assert "From mobilenet-46k (45,959 parameters) to mobilenet-112k" in text
    assert "Of its family, only compact-46k was trained; a trend needs at least two sizes." in text


def test_the_original_stands_beside_ours() -> None:
    text = sweep({"cnn-48k": 0.6, "cnn-103k": 0.6, "cnn-150k": 0.6, "cnn-852k": 0.6})
    assert "measured 0.449, 0.576, 0.613, 0.656 for these networks" in text
    assert "Our accuracies minus these: −5.6 to +15.1 points." in text
    assert "the MobileNets of these pairs lead by +18.7, +6.7 points" in families(PAIRS)
    assert "cnn-852k catches up with mobilenet-112k at 7.6 times the parameters." in families(PAIRS)
    drawn = table_of(PAIRS, data=demo.NAME)
    assert "original" not in answers.sweep(drawn, "en").text + answers.families(drawn, NONE, "en").text
    assert "original" not in sweep({"compact-46k": 0.6, "compact-58k": 0.6})


def test_costs_are_those_of_the_pairs() -> None:
    text = families(PAIR)
    assert "take 2.3 times the MACs of the plain CNNs" in text
    assert "One image takes 28.3 and 12.3 million MACs." in text


def test_the_steps_of_the_ablation_are_told_one_by_one() -> None:
    text = families(PAIR, ABLATIONS["a gain"])
    assert "no hidden layer between the average pooling and the logits: +7.0;" in text
    assert "spent on width: −2.0 (not significant). The convolutions alone" in text
    assert "change it by −4.0; the width adds +2.0 (not significant)." in text


def test_distilled_networks_are_called_distilled() -> None:
    text = answers.families(TABLES["distilled"], ABLATIONS["a gain"], "en").text
    assert "distilled from the same ensemble of 2 teachers. The networks of the ablation were trained from" in text
    assert "distilled" not in answers.families(table_of(PAIRS), ABLATIONS["a gain"], "en").text
    mixed = TABLES["distilled"].assign(teachers=["vgg-1.9m@12", *[""] * (len(PAIRS) - 1)])
    text = answers.families(mixed, ABLATIONS["a gain"], "en").text
    assert "distilled" not in text
    assert "trained alike" not in text
    assert "trained alike" in families(PAIRS)


def test_errors_are_counted_on_the_same_faces() -> None:
    table = table_of({**PAIR, "vgg-1.9m": 0.70})
    text = answers.costs(table, "en").text
    wrong, also = (predictions(table.run[i]).query("part == 'PublicTest'") for i in (0, 2))
    both = ((wrong.predicted != wrong.label) & (also.predicted != also.label)).sum()
    assert f"faces that mobilenet-46k misclassifies, vgg-1.9m misclassifies {both:,} as well" in text
    assert "Pareto-optimal by parameters: mobilenet-46k, vgg-1.9m. By MACs:" in text
    assert "voters" not in text


def test_demo_results_open_with_a_note() -> None:
    bundle, metadata = answers.sweep(TABLES["demo"], "en")._repr_mimebundle_()
    assert bundle["text/markdown"].startswith("*Results on demo faces")
    assert metadata["fer_utils"]["note"]
