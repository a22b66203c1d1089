from itertools import combinations

import pandas as pd
import pytest
from matplotlib.text import Text

from fer_utils.analysis.published import PEERS, published_networks, published_runs, trained_alike
from fer_utils.data import demo
from fer_utils.errors import InputError
from fer_utils.report.block_figures import separable_block
from fer_utils.report.size_figures import curve, size_scatter
from tests.analysis.test_summary import table_of


def test_the_same_table_is_drawn_with_the_same_bytes() -> None:
    table = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6})
    drawn = [size_scatter(table, "sizes", "en") for _ in range(2)]
    first, second = (figure._repr_mimebundle_()[0] for figure in drawn if figure)
    assert first == second
    assert first["image/svg+xml"].count("<path") > 10


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_every_network_is_named_on_the_curve_and_no_name_hides_another(language: str) -> None:
    published = published_networks()
    figure = curve(published[published.target == "labels"], "curve", language)
    assert figure is not None
    texts = figure.drawing.axes[0].texts
    for text in texts:
        text.get_window_extent()  # moves it to its place
    boxes = [Text.get_window_extent(text) for text in texts]  # without the lines to their points
    assert len(texts) == published.family.nunique() + PEERS.parameters.notna().sum()
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    frame = figure.drawing.axes[0].get_window_extent()
    assert all(frame.contains(*box.min) and frame.contains(*box.max) for box in boxes)


def test_ones_own_networks_stand_on_the_curve_among_published_ones() -> None:
    own = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6})
    for table, said in (
        (own, ["plain CNN, from labels", "published networks of this project", "pip install fer"]),
        (own.assign(teachers="a@1"), ["plain CNN"]),
        (own.assign(data=demo.NAME), ["plain CNN, from labels"]),
    ):
        figure = curve(table, "curve", "en")
        assert figure is not None
        shown = [text.get_text() for text in figure.drawing.axes[0].texts]
        assert set(said) <= set(shown)
        assert (len(shown) == 1) == (table.data.iloc[0] == demo.NAME)
    assert curve(own[:0], "curve", "en") is None


def test_the_originals_values_stand_beside_one_family_and_never_beside_drawn_faces() -> None:
    cnns: dict[str, float | list[float]] = {"cnn-48k": 0.5, "cnn-103k": 0.6}
    for table, values in (
        (table_of(cnns), 2),
        (table_of(cnns, data=demo.NAME), 0),
        (table_of(cnns | {"mobilenet-46k": 0.6}), 0),
    ):
        figure = size_scatter(table, "sizes", "en")
        assert figure is not None
        assert figure.data.validation_accuracy_original.notna().sum() == values
        assert ("The original report" in figure.caption) == bool(values)
    assert size_scatter(table_of(cnns)[:0], "sizes", "en") is None


def test_published_networks_stand_beside_ones_own() -> None:
    def shown(table: pd.DataFrame) -> list[str]:
        figure = size_scatter(table, "sizes", "en")
        assert figure is not None
        return [text.get_text() for text in figure.drawing.axes[0].texts]

    own = table_of({"cnn-48k": 0.5})
    assert "published networks of this project" in shown(own)
    assert "published networks of this project" not in shown(own.assign(data=demo.NAME))
    published = trained_alike(published_runs(), ["cnn-48k", "cnn-103k"])
    assert "published networks of this project" not in shown(published)


def test_models_without_published_runs_are_named() -> None:
    with pytest.raises(InputError, match=r"no published runs of cnn8-10k, narrow8-2k; set `data`"):
        trained_alike(published_runs(), ["cnn-48k", "narrow8-2k", "cnn8-10k"])


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_drawing_of_the_block_has_the_weights_of_its_steps(language: str) -> None:
    figure = separable_block(80, "block", language)
    assert dict(figure.data.to_numpy()) == {"plain_convolution": 57_600, "depthwise": 720, "pointwise": 6_400}
    texts = [text.get_text() for axes in figure.drawing.axes for text in axes.texts]
    assert sum("6,400" in text for text in texts) == 1
