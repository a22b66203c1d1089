from pathlib import Path

import pandas as pd
import pytest
import torch

from fer_utils.data.faces import FaceSet
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import FerError, InputError
from fer_utils.models.zoo import build, multiply_adds, parameters
from fer_utils.report.size_figures import curve
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, train_run
from figures.compression import files_block
from figures.publish import fill, publish, read_tables, results_block
from tests.analysis.test_summary import table_of
from tests.conftest import ROOT

README = "before\n<!-- results -->\nold\n<!-- /results -->\nafter\n"
FILES = pd.DataFrame(
    {
        "model": "compact-46k", "parameters": 45_743, "format": ["float16", "int8"], "bytes": [100_918, 56_269],
        "accuracy": [0.64, 0.639], "milliseconds": [0.3, 0.5],
    }
)  # fmt: skip


def test_the_block_has_a_row_a_model_and_says_how_sure_it_is() -> None:
    block = results_block(table_of({"cnn-48k": 0.5, "mobilenet-46k": [0.62, 0.64]}).assign(shipped=False))
    assert "| cnn-48k |  | 47,511 | 0.5000 | **0.4900** (0.474–0.506) | – | 0.4700 | 0.5100 | quick, 12 |" in block
    assert "| 0.6300 | **0.6200** (± 0.0141) |" in block
    assert "Who taught" not in block


def test_a_taught_net_has_a_row_of_its_own() -> None:
    plain, taught = (table_of({"compact-46k": accuracy}) for accuracy in (0.6, 0.7))
    block = results_block(pd.concat([plain, taught.assign(teachers="teacher-1.4m")]).assign(shipped=False))
    assert "| compact-46k |  | 45,451 |" in block
    assert "| compact-46k | T1 | 45,451 |" in block
    assert "Who taught: T1 is teacher-1.4m." in block


def test_a_net_that_went_on_from_trained_weights_says_from_which() -> None:
    runs = [table_of({"cnn-48k": accuracy}).assign(start=start) for accuracy, start in ((0.5, "x@1"), (0.6, "x@2"))]
    block = results_block(pd.concat(runs).assign(recipe="finetune", batchnorm="measured", shipped=False))
    assert "| 0.6000 | **0.5900**" in block  # another way, not another seed
    assert "| finetune, 12, from x@2, batches of 32, AdamW, measured BatchNorm | 1 |" in block


def test_what_differs_from_the_recipe_of_today_is_another_way_and_says_so() -> None:
    today, then = (table_of({"cnn-48k": accuracy}) for accuracy in (0.5, 0.6))
    block = results_block(
        pd.concat([today, then.assign(optimizer="adam", batch_size=64, batchnorm="measured")]).assign(shipped=False)
    )
    assert "| 0.6000 | **0.5900**" in block  # the better way, and not the mean of both
    assert "| quick, 12, batches of 64, Adam, measured BatchNorm | 1 |" in block


def test_a_table_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    table_of({"cnn-48k": 0.5}).drop(columns="optimizer").to_csv(tmp_path / "earlier.csv", index=False)
    with pytest.raises(InputError, match=r"earlier\.csv: no column optimizer; delete it, and write it anew"):
        read_tables([tmp_path / "earlier.csv"])


def test_a_finished_run_is_a_table_of_one_row_and_goes_with_earlier_tables(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(
        Run("cnn-48k", named_recipe("quick", 1), 0, faces.fingerprint, tmp_path), faces, torch.device("cpu")
    )
    earlier = (
        table_of({"mobilenet-46k": 0.6})
        .drop(columns=["start", "run", "target", "precision"])
        .assign(fingerprint=faces.fingerprint)
    )
    earlier.to_csv(tmp_path / "earlier.csv", index=False)
    table = read_tables([run.folder, tmp_path / "earlier.csv"])
    assert table.model.tolist() == ["cnn-48k", "mobilenet-46k"]
    assert table.start.tolist() == ["", ""]
    assert table.target.tolist() == ["labels", "labels"]
    assert table.precision.tolist() == ["float32", ""]
    assert table.run.iloc[0] == str(run.folder)
    assert pd.isna(table.run.iloc[1])


def test_the_curve_says_which_nets_went_on_from_trained_ones() -> None:
    plain, more = (table_of({"vgg-1.9m": accuracy}) for accuracy in (0.6, 0.7))
    drawn = curve(pd.concat([plain, more.assign(start="a@1", teachers="b@2", epochs=10)]), "curve", "en").drawing
    labels = {text.get_text() for legend in drawn.legends for text in legend.texts}
    assert {"VGG, 12 epochs", "VGG, taught, 10 epochs more"} <= labels
    both = table_of({"cnn-48k": 0.5, "cnn-103k": 0.6}).assign(teachers="b@2", start=["", "a@1"], epochs=[12, 10])
    drawn = curve(both, "curve", "en").drawing
    assert [text.get_text() for text in drawn.legends[0].texts] == ["plain CNN, taught, 12 epochs, 10 epochs more"]
    assert drawn.axes[0].lines[0].get_linestyle() == "None"  # no line from net to net, which were not trained alike


def test_publishing_writes_tables_curve_and_readme(tmp_path: Path) -> None:
    project = tmp_path
    (project / "README.md").write_text(README)
    file = project / "study.csv"
    table = table_of({"compact-46k": [0.6, 0.61], "cnn-48k": 0.5})
    for model, seed in table[["model", "seed"]].itertuples(index=False):
        folder = project / f"{model}-{seed}"
        folder.mkdir()
        (folder / "weights.safetensors").write_text(f"{model}, seed {seed}")
    table["run"] = [str(project / f"{model}-{seed}") for model, seed in zip(table.model, table.seed, strict=True)]
    table.to_csv(file, index=False)
    publish(read_tables([file, file]), project)  # a run that two tables hold is published once
    written = (project / "README.md").read_text()
    assert written.startswith("before\n<!-- results -->\n| model |")
    assert "old" not in written
    assert len(pd.read_csv(project / "figures" / "runs.csv")) == 3
    assert list(pd.read_csv(project / "figures" / "results.csv").seeds) == [1, 2]
    assert (project / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text() == "compact-46k, seed 1"
    assert "| **0.5950** (± 0.0071) | 0.6000 |" in written  # the mean, and the file that ships
    # A further study adds to what is there, and the best run keeps shipping when its folder is gone.
    better = table_of({"cnn-48k": 0.55}).assign(epochs=24)
    folder = project / "better"
    folder.mkdir()
    (folder / "weights.safetensors").write_text("better")
    better.assign(run=str(folder)).to_csv(file, index=False)
    publish(read_tables([file, project / "figures" / "runs.csv"]), project)
    found = pd.read_csv(project / "figures" / "runs.csv")
    assert len(found) == 4
    assert found[found.shipped].groupby("model").epochs.first().to_dict() == {"cnn-48k": 24, "compact-46k": 12}
    assert (project / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text() == "compact-46k, seed 1"
    assert (project / "fer_utils/weights/cnn-48k.fer2013.safetensors").read_text() == "better"
    assert (project / "figures" / "curve.svg").read_text().startswith("<?xml")
    assert (project / "figures" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_of_equals_the_one_that_ships_is_the_one_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    plain = table_of({"compact-46k": 0.6}).assign(shipped=False)
    one, other = (plain.assign(teachers=name, run=str(tmp_path / name)) for name in "ba")
    for table in (one, other):
        Path(table.run.iloc[0]).mkdir()
        (Path(table.run.iloc[0]) / "weights.safetensors").write_text(table.teachers.iloc[0])
    publish(pd.concat([one, other], ignore_index=True), tmp_path)
    shipped = (tmp_path / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text()
    written = (tmp_path / "README.md").read_text()
    assert f"Who taught: T1 is {shipped}." in written
    assert written.count("| compact-46k |") == 1  # the other way is in results.csv
    assert len(pd.read_csv(tmp_path / "figures" / "results.csv")) == 2


@pytest.mark.parametrize("order", [("measured", "running"), ("running", "measured")])
def test_of_equals_the_one_with_batchnorm_measured_ships_and_is_shown(order: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    tables = []
    for kind in order:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "weights.safetensors").write_text(kind)
        tables.append(table_of({"compact-46k": 0.6}).assign(batchnorm=kind, run=str(tmp_path / kind), shipped=False))
    publish(pd.concat(tables, ignore_index=True), tmp_path)
    assert (tmp_path / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text() == "measured"
    assert "| quick, 12, measured BatchNorm |" in (tmp_path / "README.md").read_text()


def test_runs_on_two_data_sets_are_not_published_together(tmp_path: Path) -> None:
    table = table_of({"compact-46k": 0.6, "cnn-48k": 0.5})
    table["fingerprint"] = ["a", "b"]
    table.to_csv(tmp_path / "study.csv", index=False)
    with pytest.raises(InputError, match="fingerprints a, b: one table is about one data set"):
        read_tables([tmp_path / "study.csv"])


def test_runs_of_a_net_that_was_redesigned_are_left_out(tmp_path: Path) -> None:
    table = table_of({"compact-46k": 0.6, "cnn-48k": [0.5, 0.51]})
    table.loc[0, "multiply_adds"] += 1
    table.loc[1, "model"] = "cnn-gone"
    table.to_csv(tmp_path / "study.csv", index=False)
    found = read_tables([tmp_path / "study.csv"])
    assert found[["model", "seed"]].to_numpy().tolist() == [["cnn-48k", 1]]


def test_a_readme_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(FerError, match="no place for a table, which lies between <!-- results -->"):
        publish(table_of({"cnn-48k": 0.5}), tmp_path)


def test_the_readme_shows_the_published_runs_and_files() -> None:
    readme, figures = ROOT / "README.md", ROOT / "figures"
    assert fill(readme, "results") == results_block(read_tables([figures / "runs.csv"]))
    assert fill(readme, "files") == files_block(pd.read_csv(figures / "compression.csv"))


def test_the_files_of_a_net_stand_in_a_row() -> None:
    assert "| compact-46k | 100,918, **0.6400**, 0.30 | 56,269, **0.6390**, 0.50 |" in files_block(FILES)


def record(folder: Path, weights: str = "") -> str:
    """The folder of a run or of its record, with these weights if any."""
    folder.mkdir()
    if weights:
        (folder / "weights.safetensors").write_text(weights)
    return str(folder)


def test_weights_ship_only_where_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    table = table_of({"cnn-48k": [0.5, 0.6, 0.7], "compact-46k": 0.6}).assign(shipped=False)
    table["run"] = [record(tmp_path / "there", "there"), record(tmp_path / "record"), float("nan"), "lost"]
    publish(table, tmp_path)
    assert [file.name for file in (tmp_path / "fer_utils/weights").iterdir()] == ["cnn-48k.fer2013.safetensors"]
    assert pd.read_csv(tmp_path / "figures" / "runs.csv").shipped.tolist() == [True, False, False, False]


def test_a_record_without_weights_of_the_run_that_ships_keeps_it_shipping(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    before = table_of({"cnn-48k": [0.6, 0.5]}).assign(shipped=[True, False]).drop(columns="run")
    before.to_csv(tmp_path / "runs.csv", index=False)
    study = table_of({"cnn-48k": [0.6, 0.5]})
    study["run"] = [record(tmp_path / "record"), record(tmp_path / "there", "there")]
    study.to_csv(tmp_path / "study.csv", index=False)
    publish(read_tables([tmp_path / "study.csv", tmp_path / "runs.csv"]), tmp_path)
    assert pd.read_csv(tmp_path / "figures" / "runs.csv").shipped.tolist() == [True, False]
    assert not (tmp_path / "fer_utils").exists()  # the file that ships stays as it is


def of_votes(table: pd.DataFrame) -> pd.DataFrame:
    """The same runs, as if they had learned votes: best on them where they are worst on labels."""
    nets = [build(model, classes=len(VOTE_CLASSES)) for model in table.model]
    return table.assign(
        target="votes", parameters=list(map(parameters, nets)), multiply_adds=list(map(multiply_adds, nets)),
        validation_votes_accuracy=0.9 - table.validation_accuracy / 10,
    )  # fmt: skip


@pytest.mark.parametrize("study_first", [True, False])
def test_runs_that_learned_votes_are_kept_and_ship_by_themselves(study_first: bool, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    earlier = table_of({"cnn-48k": 0.5, "mobilenet-46k": 0.6}).assign(shipped=True)
    earlier.drop(columns=["run", "target", "precision"]).to_csv(tmp_path / "runs.csv", index=False)
    study = of_votes(table_of({"cnn-48k": [0.6, 0.7]}))
    study["run"] = [record(tmp_path / name, name) for name in ("worse on labels", "better on labels")]
    study.to_csv(tmp_path / "study.csv", index=False)
    files = [tmp_path / "study.csv", tmp_path / "runs.csv"]
    publish(read_tables(files if study_first else files[::-1]), tmp_path)
    runs = pd.read_csv(tmp_path / "figures" / "runs.csv").sort_values(["target", "model", "seed"])
    assert runs.target.tolist() == ["labels", "labels", "votes", "votes"]
    assert runs.shipped.tolist() == [True, True, True, False]
    assert runs.precision.isna().tolist() == [True, True, False, False]
    (file,) = (tmp_path / "fer_utils/weights").iterdir()
    assert (file.name, file.read_text()) == ("cnn-48k.ferplus.safetensors", "worse on labels")
    assert (tmp_path / "README.md").read_text().count("| cnn-48k |") == 1
    for name in ("results.csv", "curve.csv"):
        assert pd.read_csv(tmp_path / "figures" / name).validation_accuracy.tolist() == [0.5, 0.6]
