import pandas as pd
import pytest

from fer_utils.data import demo
from fer_utils.report import answers
from fer_utils.report.outputs import Absent, Figure, Table
from fer_utils.report.size_figures import learning_curves
from fer_utils.report.tables import layer_table, recipes_table, results_table
from fer_utils.training.recipe import RECIPES
from tests.analysis.test_summary import table_of


def trained_by(recipe: str) -> pd.DataFrame:
    return table_of({"mobilenet-46k": 0.6, "vgg-1.9m": 0.7}).assign(recipe=recipe)


def test_layers_that_the_recipe_turns_off_are_called_off() -> None:
    assert set(layer_table(trained_by("full"), "layers", "en").data["mobilenet-46k"]) >= {"Dropout 0.25, off"}
    assert set(layer_table(trained_by("quick"), "layers", "en").data["mobilenet-46k"]) >= {"Dropout 0.25"}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("original", {"optimizer": "Adam", "learning rate": "0.0005", "rotation (degrees)": "15", "dropout": "yes"}),
        ("full", {"weight decay": "0.05", "dropout": "no", "sizes of faces (pixels)": "32, 40, 48"}),
        ("large", {"optimizer": "Muon", "learning rate": "0.006 at the peak of one cycle", "rotation (degrees)": "15"}),
    ],
)
def test_the_hyperparameters_are_those_of_the_recipe(recipe: str, told: dict[str, str]) -> None:
    table = recipes_table(trained_by(recipe), "en")
    assert isinstance(table, Table)
    shown = table.data.set_index("hyperparameter")[recipe]
    assert {name: shown[name] for name in told} == told
    assert shown["epochs"] == (f"12 of {RECIPES[recipe].epochs}")
    assert ("With Muon" in table.caption) == (shown["optimizer"] == "Muon")
    assert isinstance(
        recipes_table(trained_by(recipe).assign(key=""), "en"), Absent
    )  # earlier networks had other recipes


def test_the_methods_name_what_the_numbers_come_from() -> None:
    text = answers.methods(trained_by("full"), "en").text
    assert "Sources.** FER2013: Goodfellow" in text
    assert "pip install fer: PyPI fer" in text
    assert "Computed from 2 runs on " in text
    assert "PublicTest has 3,589 faces, of which 359 are also in Training" in text
    assert "Validation has 2,872 faces. " in text


@pytest.mark.parametrize(("epochs", "told"), [((12, 12), False), ((12, 3), True), ((3, 3), True)])
def test_training_cut_short_is_told_also_where_only_some_nets_were(epochs: tuple[int, int], told: bool) -> None:
    table = table_of({"mobilenet-46k": 0.6, "cnn8-10k": 0.5}).assign(epochs=epochs)
    text = answers.methods(table, "en").text
    assert ("Some runs have fewer epochs than their recipe" in text) == told


def test_a_curve_of_averaged_weights_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "history.csv").write_text("epoch,validation_accuracy\n1,0.5\n2,0.6\n")
    captions = [caption(trained_by(recipe).assign(run=str(tmp_path))) for recipe in ("quick", "full")]
    assert ["averaged" in caption for caption in captions] == [False, True]
    assert ["Networks that accept any size" in caption for caption in captions] == [False, True]
    vgg = trained_by("full").query("model == 'vgg-1.9m'").assign(run=str(tmp_path))
    assert "averaged" in caption(vgg)
    assert "Networks that accept any size" not in caption(vgg)
    assert isinstance(learning_curves(vgg.assign(run="nowhere"), "curves", "en"), Absent)


def caption(table: pd.DataFrame) -> str:
    figure = learning_curves(table, "curves", "en")
    assert isinstance(figure, Figure)
    return figure.caption


def test_a_report_on_drawn_faces_says_nothing_of_the_original() -> None:
    drawn = table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.5}, data=demo.NAME)
    text = answers.methods(drawn, "en").text
    shown = results_table(drawn, "results", "en")
    assert "original" not in (text + shown.markdown()).lower()
    beside = results_table(table_of({"mobilenet-46k": 0.6}), "results", "en").markdown()
    assert "original report, validation" in beside
    assert "0.636" in beside


def test_published_networks_stand_below_ones_own() -> None:
    own = table_of({"mobilenet-46k": 0.6})
    models = list(results_table(own, "results", "en").data.model)
    assert models[0] == "mobilenet-46k"
    assert {"mobilenet-112k (published)", "mobilenet-46k (published)"} <= set(models[1:])
    assert not any("cnn" in model for model in models)
    assert len(results_table(own.assign(data=demo.NAME), "results", "en").data) == 1
