from pathlib import Path

import pandas as pd
import pytest
import torch

from fer_utils.analysis.published import FORMATS, RECORDS, published_networks
from fer_utils.data.faces import FaceSet
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import FerError, InputError
from fer_utils.models.bundled import BUNDLED, bundled_names, bundled_onnx
from fer_utils.models.weights import digest
from fer_utils.models.zoo import build, multiply_adds, parameters
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, read_json, train_run
from figures.pack import weights_of
from figures.publish import publish, read_tables
from figures.readme import fill, networks_block
from tests.analysis.test_summary import table_of
from tests.conftest import ROOT

README = "before\n<!-- networks -->\nold\n<!-- /networks -->\nafter\n"
FILES = pd.DataFrame(
    {
        "model": "compact-46k", "parameters": 45_743, "format": ["float16", "onnx"], "bytes": [100_918, 56_269],
        "accuracy": [0.64, 0.639], "milliseconds": [0.3, 0.5],
    }
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with what publishing needs of the project."""
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "figures").mkdir()
    return tmp_path


def test_the_readmes_table_has_the_bundled_networks_by_target_and_size() -> None:
    lines = networks_block(published_networks(), FILES).splitlines()[2:]
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert sorted(names) == bundled_names()
    assert names[0] == "compact-46k.ferplus"
    assert lines[0].startswith("| compact-46k.ferplus | 45,508 | 20.3 | 103 | 0.5 | 0.8731 | 3.3 (2.9–3.7) | 0.6032 (")
    assert names[-1] == "vgg-1.9m.fer2013"
    assert " | – | " in lines[-1]  # its latency was not measured


def test_a_table_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    table_of({"cnn-48k": 0.5}).drop(columns="optimizer").to_csv(tmp_path / "earlier.csv", index=False)
    with pytest.raises(InputError, match=r"earlier\.csv: no column optimizer; delete it and create it again"):
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


def test_publishing_writes_weights_and_tables(project: Path) -> None:
    file = project / "study.csv"
    table = table_of({"compact-46k": [0.6, 0.61], "cnn-48k": 0.5})
    for model, seed in table[["model", "seed"]].itertuples(index=False):
        folder = project / f"{model}-{seed}"
        folder.mkdir()
        (folder / "weights.safetensors").write_text(f"{model}, seed {seed}")
    table["run"] = [str(project / f"{model}-{seed}") for model, seed in zip(table.model, table.seed, strict=True)]
    table.to_csv(file, index=False)
    publish(read_tables([file, file]), project)  # a run that two tables hold is published once
    assert len(pd.read_csv(project / "figures" / "runs.csv")) == 3
    assert list(pd.read_csv(project / "figures" / "results.csv").seeds) == [1, 2]
    assert (project / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text() == "compact-46k, seed 1"
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


def test_of_equals_the_one_that_ships_is_the_one_that_the_table_marks(project: Path) -> None:
    plain = table_of({"compact-46k": 0.6}).assign(shipped=False)
    one, other = (plain.assign(teachers=name, run=str(project / name)) for name in "ba")
    for table in (one, other):
        Path(table.run.iloc[0]).mkdir()
        (Path(table.run.iloc[0]) / "weights.safetensors").write_text(table.teachers.iloc[0])
    publish(pd.concat([one, other], ignore_index=True), project)
    shipped = (project / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text()
    runs = pd.read_csv(project / "figures" / "runs.csv")
    assert runs[runs.shipped].teachers.tolist() == [shipped]
    assert len(pd.read_csv(project / "figures" / "results.csv")) == 2


@pytest.mark.parametrize("order", [("measured", "running"), ("running", "measured")])
def test_of_equals_the_one_with_batchnorm_measured_ships_and_is_shown(order: tuple[str, str], project: Path) -> None:
    tables = []
    for kind in order:
        (project / kind).mkdir()
        (project / kind / "weights.safetensors").write_text(kind)
        tables.append(table_of({"compact-46k": 0.6}).assign(batchnorm=kind, run=str(project / kind), shipped=False))
    publish(pd.concat(tables, ignore_index=True), project)
    assert (project / "fer_utils/weights/compact-46k.fer2013.safetensors").read_text() == "measured"
    runs = pd.read_csv(project / "figures" / "runs.csv")
    assert runs[runs.shipped].batchnorm.tolist() == ["measured"]


def test_runs_on_two_data_sets_are_not_published_together(tmp_path: Path) -> None:
    table = table_of({"compact-46k": 0.6, "cnn-48k": 0.5})
    table["fingerprint"] = ["a", "b"]
    table.to_csv(tmp_path / "study.csv", index=False)
    with pytest.raises(InputError, match="fingerprints a, b: publish those of one data set only"):
        read_tables([tmp_path / "study.csv"])


def test_runs_of_a_net_that_was_redesigned_are_left_out(tmp_path: Path) -> None:
    table = table_of({"compact-46k": 0.6, "cnn-48k": [0.5, 0.51]})
    table.loc[0, "multiply_adds"] += 1
    table.loc[1, "model"] = "cnn-gone"
    table.to_csv(tmp_path / "study.csv", index=False)
    found = read_tables([tmp_path / "study.csv"])
    assert found[["model", "seed"]].to_numpy().tolist() == [["cnn-48k", 1]]


def test_a_block_of_the_readme_is_replaced(project: Path) -> None:
    fill(project / "README.md", "networks", "new\n")
    assert (project / "README.md").read_text() == README.replace("old", "new")


def test_a_readme_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(FerError, match="no place for the table: add <!-- networks -->"):
        fill(tmp_path / "README.md", "networks", "a table")


def test_the_readmes_show_the_published_networks() -> None:
    for page, family in (("README.md", "compact"), ("figures/README.md", "")):
        assert fill(ROOT / page, "networks") == networks_block(published_networks(), FORMATS, family)


def record(folder: Path, weights: str = "") -> str:
    """The folder of a run or of its record, with these weights if any."""
    folder.mkdir()
    if weights:
        (folder / "weights.safetensors").write_text(weights)
    return str(folder)


def test_weights_ship_only_where_they_are_there(project: Path) -> None:
    table = table_of({"cnn-48k": [0.5, 0.6, 0.7], "compact-46k": 0.6}).assign(shipped=False)
    table["run"] = [record(project / "there", "there"), record(project / "record"), float("nan"), "lost"]
    publish(table, project)
    assert [file.name for file in (project / "fer_utils/weights").iterdir()] == ["cnn-48k.fer2013.safetensors"]
    assert pd.read_csv(project / "figures" / "runs.csv").shipped.tolist() == [True, False, False, False]


def test_a_record_without_weights_of_the_run_that_ships_keeps_it_shipping(project: Path) -> None:
    before = table_of({"cnn-48k": [0.6, 0.5]}).assign(shipped=[True, False]).drop(columns="run")
    before.to_csv(project / "runs.csv", index=False)
    study = table_of({"cnn-48k": [0.6, 0.5]})
    study["run"] = [record(project / "record"), record(project / "there", "there")]
    study.to_csv(project / "study.csv", index=False)
    publish(read_tables([project / "study.csv", project / "runs.csv"]), project)
    assert pd.read_csv(project / "figures" / "runs.csv").shipped.tolist() == [True, False]
    assert not (project / "fer_utils").exists()  # the file that ships stays as it is


def of_votes(table: pd.DataFrame) -> pd.DataFrame:
    """The same runs, as if they had learned votes: best on them where they are worst on labels."""
    nets = [build(model, classes=len(VOTE_CLASSES)) for model in table.model]
    return table.assign(
        target="votes", parameters=list(map(parameters, nets)), multiply_adds=list(map(multiply_adds, nets)),
        validation_votes_accuracy=0.9 - table.validation_accuracy / 10,
    )  # fmt: skip


@pytest.mark.parametrize("study_first", [True, False])
def test_runs_that_learned_votes_are_kept_and_ship_by_themselves(study_first: bool, project: Path) -> None:
    earlier = table_of({"cnn-48k": 0.5, "mobilenet-46k": 0.6}).assign(shipped=True)
    earlier.drop(columns=["run", "target", "precision"]).to_csv(project / "runs.csv", index=False)
    study = of_votes(table_of({"cnn-48k": [0.6, 0.7]}))
    study["run"] = [record(project / name, name) for name in ("worse on labels", "better on labels")]
    study.to_csv(project / "study.csv", index=False)
    files = [project / "study.csv", project / "runs.csv"]
    publish(read_tables(files if study_first else files[::-1]), project)
    runs = pd.read_csv(project / "figures" / "runs.csv").sort_values(["target", "model", "seed"])
    assert runs.target.tolist() == ["labels", "labels", "votes", "votes"]
    assert runs.shipped.tolist() == [True, True, True, False]
    assert runs.precision.isna().tolist() == [True, True, False, False]
    (file,) = (project / "fer_utils/weights").iterdir()
    assert (file.name, file.read_text()) == ("cnn-48k.ferplus.safetensors", "worse on labels")
    assert pd.read_csv(project / "figures" / "results.csv").validation_accuracy.tolist() == [0.5, 0.6]


def test_everything_made_from_bundled_weights_is_made_from_these() -> None:
    made = 0
    for name in bundled_names():
        weights = digest(BUNDLED / f"{name}.safetensors")
        if onnx := bundled_onnx(name):
            assert weights_of(onnx) == weights, onnx
            made += 1
        earlier = RECORDS / f"{name}_earlier" / "run.json"
        if earlier.exists():
            assert read_json(earlier)["weights"] == weights, earlier
            continue
        studied = {digest(file) for file in (ROOT / "figures" / "records").glob(f"{name}_*/weights.safetensors")}
        assert weights in studied, f"{name} is of no published run"
    assert made == len(list(BUNDLED.glob("*.onnx"))) > 5
