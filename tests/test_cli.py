import inspect
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from fer_utils.cli import app, main
from fer_utils.data.faces import CLASSES, FaceSet
from fer_utils.document import build
from fer_utils.inference import export
from fer_utils.models.zoo import MODELS


def fer(*arguments: str) -> subprocess.CompletedProcess:
    """What the command line answers, in this process: another one would import torch first, for seconds."""
    with (
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
        patch.object(sys, "argv", ["fer", *arguments]),
        pytest.raises(SystemExit) as end,
    ):
        main()
    return subprocess.CompletedProcess(arguments, int(end.value.code or 0), out.getvalue(), err.getvalue())


def test_data_counts_and_gives_the_fingerprint(csv_file: Path, faces: FaceSet) -> None:
    found = json.loads(fer("data", str(csv_file), "--json").stdout)
    assert found["fingerprint"] == faces.fingerprint
    assert found["counts"]["all"]["all"] == len(faces)
    text = fer("data", str(csv_file)).stdout
    assert f"fingerprint {faces.fingerprint}" in text
    assert "PublicTest images that Training also holds" in text


@pytest.fixture
def alphabet(faces: FaceSet, tmp_path: Path) -> Path:
    """Class folders with the numbers of the classes in alphabetical order, in two parts."""
    numbers = [sorted(CLASSES).index(CLASSES[label]) for label in faces.labels]
    for row, (image, number, usage) in enumerate(zip(faces.images, numbers, faces.usage, strict=True)):
        path = tmp_path / "faces" / ("train" if usage == "Training" else "test") / str(number) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "faces"


def test_the_order_of_classes_is_an_option_of_all_that_reads_data(
    alphabet: Path, faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, order = ["--data", str(alphabet)], ["--classes", ",".join(sorted(CLASSES))]
    found = fer("data", str(alphabet))
    assert found.returncode == 2
    assert "nothing tells the class of folder 0; give the order of the classes with --classes, such as" in found.stderr
    assert json.loads(fer("data", str(alphabet), *order, "--json").stdout)["fingerprint"] == faces.fingerprint
    assert (
        "folders 0 → angry, 1 → disgust, 2 → fear, 3 → happy, 4 → neutral" in fer("data", str(alphabet), *order).stdout
    )
    for flags, code in (([], 2), (order, 0)):
        assert fer("evaluate", "cnn-48k", *data, *flags).returncode == code
        assert fer("train", "cnn-48k", *data, *flags, "--epochs", "1", "--device", "cpu").returncode == code
        assert fer("study", *data, *flags, "--models", "cnn-48k", "--epochs", "1", "--workers", "1").returncode == code
    assert len(list((tmp_path / "runs").glob("cnn-48k*"))) == 1  # of the same faces in the same classes
    (tmp_path / "study.toml").write_text(
        f'classes = "{order[1]}"\nepochs = 1\n[[stage]]\nname = "a"\nmodels = ["cnn-48k"]\n'
    )
    assert "1 finished" in fer("study", "study.toml", *data, "--dry-run").stdout
    both = fer("study", "study.toml", *data, *order)
    assert both.returncode == 2
    assert "sets what to train" in both.stderr


def test_what_is_not_read_is_a_line_on_stderr(faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    Image.fromarray(faces.images[0]).save(tmp_path / "happy" / "0.png")
    (tmp_path / "happy" / "1.txt").write_bytes(b"")
    for _ in range(2):  # read, and from the cache
        with pytest.warns(UserWarning, match=r"ignored 1 files such as .*1\.txt"):
            fer("data", str(tmp_path))
    command = [sys.executable, "-m", "fer_utils", "data", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert told.startswith(f"fer: warning: {tmp_path}: ignored 1 files")
    assert told.count("\n") == 1


def test_models_prints_the_zoo() -> None:
    found = {row["model"]: row for row in json.loads(fer("models", "--json").stdout)}
    assert list(found) == list(MODELS)
    assert found["vgg-1.9m"]["keras_parameters"] == 1_875_143
    assert "28,292,528" in fer("models").stdout


def test_a_trained_model_is_evaluated_to_the_number_in_the_table(csv_file: Path, tmp_path: Path) -> None:
    runs, out = tmp_path / "runs", tmp_path / "results.csv"
    options = ["--data", str(csv_file), "--device", "cpu"]
    trained = fer("study", *options, "--models", "cnn-48k", "--epochs", "1", "--runs", str(runs), "--out", str(out))
    assert trained.returncode == 0, trained.stderr
    row = pd.read_csv(out).iloc[0]
    weights = next(runs.glob("*/weights.safetensors"))
    found = json.loads(fer("evaluate", str(weights), *options, "--json").stdout)
    assert found["accuracy"] == row.PublicTest_accuracy
    assert found["accuracy_without_leak"] == row.PublicTest_accuracy_without_leak
    assert found["n"] == row.PublicTest_faces
    assert set(found["per_class"]["happy"]) == {"precision", "recall", "n"}


def test_a_net_goes_on_from_one_and_teachers_come_with_commas_or_one_by_one(csv_file: Path, tmp_path: Path) -> None:
    options = ["cnn-48k", "--data", str(csv_file), "--epochs", "1", "--runs", str(tmp_path), "--device", "cpu"]
    options += ["--start", "cnn-48k", "--recipe", "finetune"]
    first = fer("train", *options, "--teacher", "cnn-48k,cnn-103k")
    assert first.returncode == 0, first.stderr
    record = json.loads(next(tmp_path.glob("cnn-48k.fer2013_*-distilled_*/run.json")).read_text())
    assert [title.partition("@")[0] for title in record["teachers"]] == ["cnn-103k", "cnn-48k"]
    assert record["start"] == record["teachers"][1]
    again = fer("train", *options, "--teacher", "cnn-103k", "--teacher", "cnn-48k")
    assert again.stdout.splitlines()[0] == first.stdout.splitlines()[0]  # the same run
    assert "epoch 1 " in first.stdout
    assert "epoch" not in again.stdout


def test_faces_without_labels_are_read(faces: FaceSet, tmp_path: Path) -> None:
    table, out = tmp_path / "test.csv", tmp_path / "submission.csv"
    ids = ["107", "42", "9", "43", "0"]
    rows = [f"{name},{' '.join(map(str, image.ravel()))}" for name, image in zip(ids, faces.images[:5], strict=True)]
    table.write_text("\n".join(["id,feature", *rows]))
    assert "submission.csv: 5 faces" in fer("predict", "cnn-48k", str(table), "--out", str(out)).stdout
    said = pd.read_csv(out)
    assert list(said.columns) == ["id", "label"]
    assert list(said.id.astype(str)) == ids
    pictures = [tmp_path / f"{i}.png" for i in range(5)]
    for image, picture in zip(faces.images, pictures, strict=False):
        Image.fromarray(image).save(picture)
    found = json.loads(fer("predict", "cnn-48k", *map(str, pictures), "--json").stdout)
    assert [CLASSES.index(row["label"]) for row in found] == list(said.label)
    for row in found:
        assert sum(row[name] for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert row[row["label"]] == max(row[name] for name in CLASSES)
    assert "submission.csv: 5 faces" in fer("predict", "cnn-48k", str(tmp_path), "--out", str(out)).stdout
    assert list(pd.read_csv(out).label) == [row["label"] for row in found]  # of the folder's pictures, with their names
    assert list(pd.read_csv(out).file) == [str(picture) for picture in pictures]
    assert "fer: 2 paths: give one CSV" in fer("predict", "cnn-48k", str(table), str(pictures[0])).stderr
    odd = pictures[0].rename(tmp_path / "[red] :smile:.png")  # no markup, no emoji
    assert odd.name in fer("predict", "cnn-48k", str(odd)).stdout


def test_predictions_are_written_by_suffix_and_bad_pictures_are_told(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.new("L", (48, 48), 128).save(good)
    bad.write_bytes(b"no image")
    for suffix, read in ((".csv", pd.read_csv), (".json", pd.read_json), (".parquet", pd.read_parquet)):
        out = tmp_path / f"answers{suffix}"
        found = fer("predict", "compact-46k", str(bad), str(good), "--out", str(out))
        assert (found.returncode, f"fer: {bad}: not a readable image" in found.stderr) == (1, True)
        assert read(out).file.tolist() == [str(good)]
    refused = fer("predict", "compact-46k", str(good), "--out", str(tmp_path / "answers.xlsx"))
    assert refused.returncode == 2
    assert "unknown ending of --out '.xlsx'. Known: .csv, .json, .parquet" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "nowhere.csv"], "fer: no file or folder nowhere.csv"),
        (["train", "resnet"], "fer: unknown model 'resnet'"),
        (["train", "cnn-48k", "--recipe", "slow"], "fer: unknown recipe 'slow'"),
        (["train", "cnn-48k", "--epochs", "0"], "--epochs"),
        (["study", "--seeds", "x"], "fer: seeds 'x'"),
        (["study", "--seeds", "9" * 30], "fer: seed 999"),
        (["evaluate", "nothing", "--data", "demo"], "fer: unknown weights 'nothing'"),
        (["evaluate", "cnn-48k"], "--data"),  # not of the demo without being asked
        (["predict", "cnn-48k", "nowhere.png"], "fer: no file nowhere.png"),
        (["study", "--out", "tests"], "is a directory"),
        (["report", "--out", "report.txt"], "fer: --out report.txt"),
        (["train", "--study", "a.toml", "--run", "b", "--seed", "1", "--recipe", "full"], "leave out recipe, seeds"),
        (["train", "cnn-48k", "--study", "a.toml"], "give either a model, or --study FILE together with --run ID"),
        (["study", "a.toml", "--seeds", "0"], "a.toml sets what to train"),
        (["fly"], "fly"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    found = fer(*arguments)
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
    if found.stderr.startswith("fer: "):
        assert len(found.stderr.splitlines()) == 1


def test_a_fault_of_the_program_is_a_line_too() -> None:
    with patch("fer_utils.data.load.load", side_effect=RuntimeError("no memory\nand more")):
        found = fer("data", "demo")
    assert found.returncode == 1
    (line,) = found.stderr.splitlines()
    assert line.startswith("fer: RuntimeError: no memory (")
    assert line.endswith("(--debug shows where)")


@pytest.mark.parametrize(("option", "traceback"), [([], False), (["--debug"], True)])
def test_debug_shows_the_traceback(option: list[str], traceback: bool) -> None:
    command = [sys.executable, "-m", "fer_utils", "data", "nowhere.csv", *option]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == (1 if traceback else 2)
    assert ("Traceback" in found.stderr) == traceback


def test_a_net_that_is_exported_in_two_formats_is_two_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    def write(trained: object, files: dict[str, Path], faces: object) -> None:
        for format, path in files.items():
            path.write_text(format)

    monkeypatch.setattr(export, "export", write)
    for format in ("onnx", "int8"):
        assert CliRunner().invoke(app, ["export", "cnn-48k", "--format", format]).exit_code == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "cnn-48k.onnx": "onnx",
        "cnn-48k-int8.onnx": "int8",
    }


def test_every_option_of_report_arrives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: dict = {}

    def record(*values: object, **named: object) -> list[Path]:
        bound = inspect.signature(original).bind(*values, **named).arguments
        given.update(bound | bound.pop("given"))
        return [tmp_path]

    original = build.make_report
    monkeypatch.setattr(build, "make_report", record)
    expected = {
        "data": "x.csv", "recipe": "full", "language": "zh-TW", "seeds": "0,1", "epochs": 3, "device": "cpu",
        "budgets": "20k", "budget_seeds": "0,1,2", "budget_epochs": 2,
        "teacher": "teacher-1.4m", "classes": "happy,-", "author": "A. Student", "out": tmp_path / "r.pdf",
        "runs": tmp_path / "runs", "figures": tmp_path / "figures",
    }  # fmt: skip
    options = [part for name, value in expected.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert CliRunner().invoke(app, ["report", *options]).exit_code == 0
    expected |= {"runs_dir": str(expected.pop("runs")), "figures_dir": expected.pop("figures")}
    expected |= {"teachers": expected.pop("teacher")}
    assert given == expected
