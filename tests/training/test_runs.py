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

from fer_utils.data.faces import FaceSet, split
from fer_utils.data.load import load
from fer_utils.errors import FerError, InputError
from fer_utils.models import weights
from fer_utils.models.weights import open_model
from fer_utils.models.zoo import build
from fer_utils.training import loop
from fer_utils.training.distill import title
from fer_utils.training.evaluate import answer, assess, labelled_part, reader
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, results, train_run

CPU = torch.device("cpu")


def run_of(faces: FaceSet, folder: Path, epochs: int = 2, seed: int = 0) -> Run:
    return Run("cnn-48k", named_recipe("quick", epochs), seed, faces.fingerprint, folder)


def test_a_finished_run_holds_what_the_design_says(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    files = {"run.json", "history.csv", "predictions.csv", "weights.safetensors", ".lock"}
    assert {path.name for path in run.folder.iterdir()} == files
    record = json.loads((run.folder / "run.json").read_text())
    assert record["model"] == "cnn-48k"
    assert record["parameters"] == 47_511
    assert record["fingerprint"] == faces.fingerprint
    assert len(pd.read_csv(run.folder / "history.csv")) == 2


def test_what_is_kept_of_batchnorm_is_as_the_recipe_says(faces: FaceSet, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    measured = []
    monkeypatch.setattr(loop, "measure_batchnorm", lambda model, training: measured.append(len(training)))
    runs = [
        train_run(Run("cnn-48k", named_recipe(name, 1), 0, faces.fingerprint, tmp_path), faces, CPU)
        for name in ("quick", "full")
    ]
    assert measured == [len(split(faces)[0])]  # and never the faces of validation
    assert results(run.folder for run in runs).batchnorm.tolist() == ["running", "measured"]


def test_a_run_goes_on_from_the_weights_that_it_starts_from(faces: FaceSet, tmp_path: Path) -> None:
    still = replace(named_recipe("finetune", 1), learning_rate=1e-9, batchnorm="running")
    run = train_run(Run("cnn-48k", still, 0, faces.fingerprint, tmp_path, start="cnn-48k"), faces, CPU)
    (_, shipped), (_, kept) = open_model("cnn-48k"), open_model(str(run.folder))
    for before, after in zip(shipped.parameters(), kept.parameters(), strict=True):
        assert torch.allclose(before, after, atol=1e-3)
    assert results([run.folder]).start.tolist() == [title("cnn-48k")]


def test_a_start_decides_the_run_and_is_of_its_model(faces: FaceSet, tmp_path: Path) -> None:
    weights.save(build("cnn-48k"), "cnn-48k", tmp_path / "other.safetensors")
    starts = ("", "cnn-48k", str(tmp_path / "other.safetensors"))
    runs = [Run("cnn-48k", named_recipe("full"), 0, faces.fingerprint, tmp_path, start=start) for start in starts]
    assert len({run.folder for run in runs}) == 3
    with pytest.raises(InputError, match="finetune goes on from a trained net; `fer train cnn-48k --start NET` names"):
        replace(runs[0], recipe=named_recipe("finetune"))


def test_a_seed_is_one_that_pytorch_takes(faces: FaceSet, tmp_path: Path) -> None:
    build("cnn-48k", replace(run_of(faces, tmp_path), seed=2**63 - 1).seed)
    for seed in (-1, 2**63):
        with pytest.raises(InputError, match=f"seed {seed}: allowed are whole numbers from 0 to "):
            replace(run_of(faces, tmp_path), seed=seed)


def test_a_run_that_is_refused_leaves_no_folder(faces: FaceSet, tmp_path: Path) -> None:
    run = run_of(faces, tmp_path / "runs")
    with pytest.raises(InputError, match="cnn-103k: holds a cnn-103k; give a trained cnn-48k to start from"):
        train_run(replace(run, start="cnn-103k"), faces, CPU)
    (tmp_path / "net.onnx").write_text("")
    with pytest.raises(InputError, match=r"net\.onnx: an ONNX file reads faces, and does no more"):
        train_run(replace(run, teachers=(str(tmp_path / "net.onnx"),)), faces, CPU)
    with pytest.raises(InputError, match="has no labelled Training faces"):
        train_run(run, faces.part("PublicTest"), CPU)
    assert not run.runs_dir.exists()


def test_a_run_goes_on_only_with_the_faces_in_their_order(faces: FaceSet, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(row: dict) -> None:
        raise Stopped

    run = run_of(faces, tmp_path)
    with pytest.raises(Stopped):
        train_run(run, faces, CPU, stop)
    other = faces[np.arange(len(faces))[::-1]]
    assert other.fingerprint == faces.fingerprint
    with pytest.raises(InputError, match=r"resume\.pt: begun with a file that has the same faces in another order"):
        train_run(run, other, CPU)
    assert train_run(run, faces, CPU).finished


def test_a_run_of_an_earlier_version_has_the_defaults_of_its_recipe(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    record = json.loads((run.folder / "run.json").read_text())
    del record["recipe"]["batchnorm"]
    (run.folder / "run.json").write_text(json.dumps(record))
    assert results([run.folder]).batchnorm.tolist() == ["running"]


def test_the_accuracy_in_the_table_is_that_of_the_file(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    row = results([run.folder]).iloc[0]
    _, model = open_model(str(run.folder / "weights.safetensors"))
    answers = answer(reader(model, CPU), labelled_part(faces, "PublicTest"), faces)
    kept = pd.read_csv(run.folder / "predictions.csv")
    assert kept[kept.part == "PublicTest"].predicted.tolist() == answers.predicted.tolist()
    worth = assess(answers)
    assert row.PublicTest_accuracy == worth["accuracy"]
    assert row.PublicTest_faces == worth["n"] == sum(c["n"] for c in worth["per_class"].values())


def test_a_finished_run_is_not_trained_again(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    before = (run.folder / "weights.safetensors").stat().st_mtime_ns
    epochs: list[dict] = []
    train_run(run, faces, CPU, epochs.append)
    assert epochs == []
    assert (run.folder / "weights.safetensors").stat().st_mtime_ns == before


def test_other_seeds_recipes_and_data_are_other_runs(faces: FaceSet, tmp_path: Path) -> None:
    other = faces[torch.arange(len(faces) - 1).numpy()]
    runs = [
        run_of(faces, tmp_path),
        run_of(faces, tmp_path, 3),
        run_of(faces, tmp_path, seed=1),
        run_of(other, tmp_path),
    ]
    assert len({run.folder for run in runs}) == 4


def test_a_run_never_learns_from_its_validation_faces_nor_from_a_test(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[FaceSet] = []
    original = loop.train
    monkeypatch.setattr(loop, "train", lambda net, *rest: learned.append(rest[0]) or original(net, *rest))  # type: ignore[func-returns-value]
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    answers = pd.read_csv(run.folder / "predictions.csv")
    assert set(answers.part) == {"validation", "PublicTest"}
    assert len(learned[0]) + len(answers) == len(faces)
    held_out = set(split(faces)[1].digests) | set(faces.part("PublicTest").digests)
    assert not held_out & set(learned[0].digests)


def test_a_table_of_unfinished_runs_is_refused(faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this run is not finished"):
        results([run_of(faces, tmp_path).folder])


def test_a_net_that_was_redesigned_is_not_taken_for_the_new_one(faces: FaceSet, tmp_path: Path) -> None:
    run = train_run(run_of(faces, tmp_path), faces, CPU)
    file = run.folder / "run.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"multiply_adds": record["multiply_adds"] + 1}))
    with pytest.raises(InputError, match=r"of an earlier net cnn-48k, of other multiply-adds\. Delete it"):
        results([run.folder])
    begun = {"epoch": 1, "threads": 1, "model": build("cnn-103k").state_dict(), "optimizers": []}
    file.unlink()
    torch.save(begun, run.folder / "resume.pt")
    with pytest.raises(InputError, match=r"resume\.pt: begun with an earlier net of this name\. Delete its folder"):
        train_run(run, faces, CPU)


def test_what_an_earlier_version_began_is_refused_in_a_line(faces: FaceSet, tmp_path: Path) -> None:
    run = run_of(faces, tmp_path)
    run.folder.mkdir(parents=True)
    torch.save({"epoch": 1, "model": {}, "optimizer": {}}, run.folder / "resume.pt")
    with pytest.raises(FerError, match=r"resume\.pt is of an earlier version: delete it, and the run begins again"):
        train_run(run, faces, CPU)
    (run.folder / "resume.pt").write_bytes(bytes(1000))  # such as a power cut leaves
    with pytest.raises(
        FerError, match=r"^[^\n]*resume\.pt is damaged \([^\n]*\): delete it, and the run begins again$"
    ):
        train_run(run, faces, CPU)


def train_process(csv_file: Path, runs: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "fer_utils", "train", "cnn-48k", "--data", str(csv_file), "--epochs", "6"]
    return subprocess.Popen(
        [*command, "--device", "cpu", "--runs", str(runs)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )


def test_killed_at_any_moment_it_ends_with_the_weights_it_would_have_had(csv_file: Path, tmp_path: Path) -> None:
    run, whole = (run_of(load(csv_file), tmp_path / name, 6) for name in ("killed", "whole"))
    with train_process(csv_file, whole.runs_dir) as process:
        process.communicate()
    assert whole.finished
    for delay_seconds in (0.0, 0.13):  # just after an epoch, and within one
        with train_process(csv_file, run.runs_dir) as process:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("epoch"):
                assert process.poll() is None
            time.sleep(delay_seconds)
            process.send_signal(signal.SIGKILL)
    assert not run.finished
    assert (run.folder / "resume.pt").exists()
    with train_process(csv_file, run.runs_dir) as process:
        lines = process.communicate()[0].splitlines()
    assert 0 < sum(line.startswith("epoch") for line in lines) < 5  # it went on, and did not begin again
    assert (run.folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()
    columns = ["epoch", "training_loss", "validation_accuracy"]
    assert pd.read_csv(run.folder / "history.csv")[columns].equals(pd.read_csv(whole.folder / "history.csv")[columns])
