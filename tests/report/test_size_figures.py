import pandas as pd
import pytest

from fer_utils.analysis.published import published_runs, trained_alike
from fer_utils.data import demo
from fer_utils.errors import InputError
from fer_utils.report.size_figures import size_scatter
from tests.analysis.test_summary import table_of


def test_the_same_table_is_drawn_with_the_same_bytes() -> None:
    table = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6})
    drawn = [size_scatter(table, "sizes", "en") for _ in range(2)]
    first, second = (figure._repr_mimebundle_()[0] for figure in drawn if figure)
    assert first == second
    assert first["image/svg+xml"].count("<path") > 10


@pytest.mark.parametrize(("mobilenet", "cnn"), [("bottom", "top"), ("top", "bottom")])
def test_sizes_stand_where_the_other_family_does_not(mobilenet: str, cnn: str) -> None:
    accuracies = {"bottom": 0.6, "top": 0.5}  # where a name is held, so that it stands above the higher family
    figure = size_scatter(table_of({"mobilenet-46k": accuracies[mobilenet], "cnn-48k": accuracies[cnn]}), "sizes", "en")
    assert figure is not None
    assert {text.get_text(): text.get_verticalalignment() for text in figure.drawing.axes[0].texts} == {
        "46k": mobilenet,
        "48k": cnn,
    }


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
        return [text.get_text() for text in figure.drawing.legends[0].texts]

    own = table_of({"cnn-48k": 0.5})
    assert "published networks of this project" in shown(own)
    assert "published networks of this project" not in shown(own.assign(data=demo.NAME))
    published = trained_alike(published_runs(), ["cnn-48k", "cnn-103k"])
    assert "published networks of this project" not in shown(published)


def test_models_without_published_runs_are_named() -> None:
    with pytest.raises(InputError, match=r"no published runs of cnn8-10k, narrow8-2k; set `data`"):
        trained_alike(published_runs(), ["cnn-48k", "narrow8-2k", "cnn8-10k"])
