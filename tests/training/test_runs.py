import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fer_utils.data.augment import Augmentation
from fer_utils.data.faces import FaceSet, mark_duplicates, split
from fer_utils.data.load import load
from fer_utils.data.targets import Examples
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import FerError, InputError
from fer_utils.models.weights import open_model
from fer_utils.training import loop, runs
from fer_utils.training.distillation import Teacher
from fer_utils.training.metrics import labelled_part, prediction_table, recognizer, score
from fer_utils.training.recipe import Recipe, named_recipe
from fer_utils.training.runs import Run, open_teacher, results, train_run

CPU = torch.device("cpu")


def run_of(faces: FaceSet, folder: Path, epochs: int = 2, seed: int = 0) -> Run:
    return Run("cnn-48k", named_recipe("quick", epochs), seed, faces.fingerprint, folder)


def test_keys_are_frozen(tmp_path: Path) -> None:
    # A change of any of these orphans every finished and published run. If training itself changed, raise
    # TRAINING_VERSION and pin the new keys; otherwise keep the names in `Run.identity` and the fields of `Recipe`.
    recipe = Recipe(
        "fixed", 3, 64, "muon", 6e-3, "one-cycle", "last", 0.05, 0.1, False, 0.996,
        Augmentation(rotation_degrees=10, shift_px=5, zoom=0.15, contrast=0.25), (32, 48), 3.0,
    )  # fmt: skip
    plain = Run("compact-46k", recipe, 7, "0123456789abcdef", tmp_path)
    teachers = (Teacher("run:0123456789ab", "x", tmp_path), Teacher("weights:0123456789abcdef", "y", tmp_path))
    votes = replace(plain, precision="bfloat16", target="votes", votes="fedcba9876543210", teachers=teachers)
    assert [plain.key, votes.key, replace(plain, start=teachers[1]).key] == KEYS
    assert replace(votes, teachers=teachers[::-1]).key == votes.key


KEYS = ["8c226aa99342", "0cfdffd101ac", "79c570d0dea6"]


@pytest.mark.parametrize(
    "change",
    [
        {"model": "cnn-103k"},
        {"recipe": named_recipe("quick", 3)},
        {"seed": 1},
        {"data": "other"},
        {"precision": "bfloat16"},
        {"target": "votes"},
        {"votes": "other"},
        {"teachers": (Teacher("run:1", "cnn-48k", Path()),)},
        {"start": Teacher("run:1", "cnn-48k", Path())},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_that_decides_the_weights_decides_the_run(change: dict, tmp_path: Path) -> None:
    run = Run("cnn-48k", named_recipe("quick", 2), 0, "data", tmp_path)
    assert replace(run, **change).folder != run.folder


def test_a_version_of_training_is_a_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("cnn-48k", named_recipe("quick", 2), 0, "data", tmp_path)
    before = run.key
    monkeypatch.setattr(runs, "TRAINING_VERSION", runs.TRAINING_VERSION + 1)
    assert replace(run).key != before


def test_a_finished_run_holds_what_the_design_says(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    assert {path.name for path in run.folder.iterdir()} == {"run.json", *runs.FILES, ".lock"}
    record = json.loads((run.folder / "run.json").read_text())
    assert record["model"] == "cnn-48k"
    assert record["parameters"] == 47_511
    assert record["fingerprint"] == faces.fingerprint
    assert record["identity"] == run.identity
    assert len(pd.read_csv(run.folder / "history.csv")) == 2
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_run_learns_votes_in_eight_classes(faces: FaceSet, tmp_path: Path) -> None:
    votes = np.zeros((len(faces), 10), np.uint8)
    votes[:, 7] = 10  # everybody sees contempt
    seen = replace(faces, votes=votes)
    run = replace(run_of(seen, tmp_path, 1), target="votes", votes=seen.votes_fingerprint)
    row = results([train_run(run, seen, CPU).folder]).iloc[0]
    assert open_model(str(run.folder)).classes == VOTE_CLASSES
    assert (row.target, row.PublicTest_votes_faces) == ("votes", row.PublicTest_faces)
    predictions = pd.read_csv(run.folder / "predictions.csv")
    assert row.validation_votes_accuracy == (predictions[predictions.part == "validation"].predicted == 7).mean()
    with pytest.raises(InputError, match="has no FER\\+ votes, which are bundled"):
        train_run(run, faces, CPU)


def test_a_run_goes_on_from_the_weights_that_it_starts_from(faces: FaceSet, tmp_path: Path) -> None:
    still = replace(named_recipe("finetune", 1), learning_rate=1e-9)
    start = open_teacher("cnn-48k")
    run = train_run(Run("cnn-48k", still, 0, faces.fingerprint, tmp_path, start=start), faces, CPU)
    pretrained, kept = open_model("cnn-48k"), open_model(str(run.folder))
    for before, after in zip(pretrained.net.parameters(), kept.net.parameters(), strict=True):
        assert torch.allclose(before, after, atol=1e-3)
    assert results([run.folder]).start.tolist() == [start.title]


def test_a_run_that_is_refused_leaves_no_folder(faces: FaceSet, tmp_path: Path) -> None:
    run = run_of(faces, tmp_path / "runs")
    with pytest.raises(InputError, match=r"holds weights of cnn-103k with 7 classes\. Give weights of cnn-48k"):
        train_run(replace(run, start=open_teacher("cnn-103k")), faces, CPU)
    untrained = replace(run, seed=9).teacher
    with pytest.raises(FerError, match=f"these teachers are not trained yet: cnn-48k@{untrained.key[4:12]}"):
        train_run(replace(run, teachers=(untrained,)), faces, CPU)
    with pytest.raises(InputError, match="has no labelled Training faces"):
        train_run(run, faces.part("PublicTest"), CPU)
    assert not run.runs_dir.exists()
    (tmp_path / "net.onnx").write_text("")
    with pytest.raises(InputError, match=r"net\.onnx: an ONNX file can only classify"):
        open_teacher(str(tmp_path / "net.onnx"))


def test_the_order_of_the_file_does_not_decide_the_weights(faces: FaceSet, tmp_path: Path) -> None:
    turned = mark_duplicates(faces[np.arange(len(faces))[::-1]])
    trained = [
        train_run(run_of(one, tmp_path / name, 1), one, CPU).folder
        for name, one in (("as is", mark_duplicates(faces)), ("turned", turned))
    ]
    for name in ("weights.safetensors", "predictions.csv"):
        assert (trained[0] / name).read_bytes() == (trained[1] / name).read_bytes()


def test_the_accuracy_in_the_table_is_that_of_the_file(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    row = results([run.folder]).iloc[0]
    read = recognizer(open_model(str(run.folder / "weights.safetensors")), CPU)
    answers = prediction_table(read, labelled_part(faces, "PublicTest"))
    kept = pd.read_csv(run.folder / "predictions.csv")
    assert kept[kept.part == "PublicTest"].predicted.tolist() == answers.predicted.tolist()
    worth = score(answers)
    assert row.PublicTest_accuracy == worth["accuracy"]
    assert row.PublicTest_faces == worth["n"] == sum(c["n"] for c in worth["per_class"].values())


def test_a_finished_run_is_not_trained_again(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    before = (run.folder / "weights.safetensors").stat().st_mtime_ns
    epochs: list[dict] = []
    train_run(run, faces, CPU, epochs.append)
    assert epochs == []
    assert (run.folder / "weights.safetensors").stat().st_mtime_ns == before


def test_a_run_never_learns_from_its_validation_faces_nor_from_a_test(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[Examples] = []
    original = loop.train
    monkeypatch.setattr(loop, "train", lambda net, *rest: learned.append(rest[0]) or original(net, *rest))  # type: ignore[func-returns-value]
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    answers = pd.read_csv(run.folder / "predictions.csv")
    assert set(answers.part) == {"validation", "PublicTest"}
    assert len(learned[0].images) + len(answers) == len(faces)
    held_out = np.concatenate([split(faces)[1].images, faces.part("PublicTest").images])
    seen = {image.tobytes() for image in learned[0].images}
    assert not any(image.tobytes() in seen for image in held_out)


def test_a_table_of_unfinished_runs_is_refused(faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this run is not finished"):
        results([run_of(faces, tmp_path).folder])


def test_a_record_of_another_format_is_refused_and_its_weights_are_not(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path, 1), faces, CPU)
    file = run.folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 99}))
    with pytest.raises(InputError, match=r"has format 99, this version reads 1\. Its weights still work"):
        results([run.folder])
    assert open_model(str(run.folder)).model == "cnn-48k"


def train_process(csv_file: Path, runs: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "fer_utils", "train", "cnn-48k", "--data", str(csv_file), "--epochs", "6"]
    return subprocess.Popen(
        [*command, "--device", "cpu", "--runs", str(runs)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )


def test_killed_within_an_epoch_it_ends_with_the_weights_it_would_have_had(csv_file: Path, tmp_path: Path) -> None:
    run, whole = (run_of(load(csv_file), tmp_path / name, 6) for name in ("killed", "whole"))
    with train_process(csv_file, whole.runs_dir) as process:
        process.communicate()
    assert whole.finished
    with train_process(csv_file, run.runs_dir) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("epoch"):
            assert process.poll() is None
        time.sleep(0.13)  # within an epoch; tests/durability.py kills at every other moment
        process.send_signal(signal.SIGKILL)
    assert not run.finished
    assert (run.folder / "resume.pt").exists()
    with train_process(csv_file, run.runs_dir) as process:
        lines = process.communicate()[0].splitlines()
    assert 0 < sum(line.startswith("epoch") for line in lines) < 6  # it went on, and did not begin again
    assert (run.folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()
    columns = ["epoch", "training_loss", "validation_accuracy"]
    assert pd.read_csv(run.folder / "history.csv")[columns].equals(pd.read_csv(whole.folder / "history.csv")[columns])
