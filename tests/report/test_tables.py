import pandas as pd
import pytest

from fer_utils.data import demo
from fer_utils.document.combine import combine
from fer_utils.report.size_figures import learning_curves
from fer_utils.report.tables import layer_table, results_table
from tests.analysis.test_summary import table_of


def trained_by(recipe: str) -> pd.DataFrame:
    return table_of({"mobilenet-46k": 0.6, "vgg-1.9m": 0.7}).assign(recipe=recipe)


def test_layers_that_the_recipe_turns_off_are_called_off() -> None:
    assert set(layer_table(trained_by("full"), "layers", "en").data["mobilenet-46k"]) >= {"Dropout 0.25, off"}
    assert set(layer_table(trained_by("quick"), "layers", "en").data["mobilenet-46k"]) >= {"Dropout 0.25"}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (
            "original",
            [
                "Adam, learning rate 0.0005,",
                "rotation by up to 15 degrees",
                "The epoch with the best validation accuracy",
            ],
        ),
        ("full", ["weight decay 0.05", "No dropout.", "faces of 32, 40, 48 pixels for equal shares of the"]),
        ("large", ["Muon, learning rate 0.006", "rotation by up to 15 degrees", "moving average of the weights"]),
    ],
)
def test_the_report_says_how_its_nets_were_trained(recipe: str, told: list[str]) -> None:
    text = combine([], trained_by(recipe).assign(finished="2026-01-01"), "en").cells[-1].source
    assert f"Recipe {recipe}: " in text
    for words in told:
        assert words in text
    assert "Sources: FER2013: Goodfellow" in text
    assert "pip install fer: PyPI fer" in text
    assert ("No dropout." in text) == (recipe == "full")


def test_the_report_says_of_each_recipe_how_long_nets_were_trained_by_it() -> None:
    table = table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.5}).assign(
        recipe=["quick", "full"], epochs=[12, 60], finished="2026-01-01"
    )
    subtitle = combine([], table, "en").metadata["fer_utils"]["subtitle"]
    assert "Recipe full, 60 epochs of its 100; Recipe quick, 12 epochs. 1 seed per model" in subtitle
    shortest = combine([], table.assign(recipe="quick", epochs=1), "en").metadata["fer_utils"]["subtitle"]
    assert "Recipe quick, 1 epoch of its 12. 1 seed per model" in shortest


@pytest.mark.parametrize(("epochs", "told"), [((12, 12), False), ((12, 3), True), ((3, 3), True)])
def test_training_cut_short_is_told_also_where_only_some_nets_were(epochs: tuple[int, int], told: bool) -> None:
    table = table_of({"mobilenet-46k": 0.6, "cnn8-10k": 0.5}).assign(epochs=epochs)
    text = combine([], table, "en").cells[-1].source
    assert ("After all 12 epochs of the recipe, the networks may rank differently." in text) == told


def test_a_curve_of_averaged_weights_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "history.csv").write_text("epoch,validation_accuracy\n1,0.5\n2,0.6\n")
    captions = [caption(trained_by(recipe).assign(run=str(tmp_path))) for recipe in ("quick", "full")]
    assert ["averaged" in caption for caption in captions] == [False, True]
    assert ["Networks that accept any size" in caption for caption in captions] == [False, True]
    vgg = trained_by("full").query("model == 'vgg-1.9m'").assign(run=str(tmp_path))
    assert "averaged" in caption(vgg)
    assert "Networks that accept any size" not in caption(vgg)
    assert learning_curves(vgg.assign(run="nowhere"), "curves", "en") is None


def caption(table: pd.DataFrame) -> str:
    figure = learning_curves(table, "curves", "en")
    assert figure
    return figure.caption


def test_a_report_on_drawn_faces_says_nothing_of_the_original() -> None:
    drawn = table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.5}, data=demo.NAME)
    text = combine([], drawn, "en").cells[-1].source
    shown = results_table(drawn, "results", "en")
    assert "original" not in (text + shown.markdown()).lower()
    assert "contrast" not in text  # recipe quick does not change it
    beside = results_table(table_of({"mobilenet-46k": 0.6}), "results", "en").markdown()
    assert "original report, validation" in beside
    assert "0.6364" in beside
