import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from fer_utils.data.load import load
from fer_utils.errors import FerError, InputError
from fer_utils.training import study as module
from fer_utils.training.runs import Run
from fer_utils.training.study import listed, train_study, whole_numbers
from tests.data.test_ferplus import write


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Run, subprocess.Popen]]:
    """Every process that a study started."""
    processes: list[tuple[Run, subprocess.Popen]] = []

    def start(run: Run, source: list[str], device: str) -> subprocess.Popen:
        process = original(run, source, device)
        processes.append((run, process))
        return process

    original = module._start
    monkeypatch.setattr(module, "_start", start)
    return processes


def test_a_study_trains_what_is_missing_and_nothing_twice(csv_file: Path, tmp_path: Path, started: list) -> None:
    first = train_study(str(csv_file), ["cnn-48k"], [0], epochs=1, device="cpu", runs_dir=tmp_path)
    assert [run.model for run, _ in started] == ["cnn-48k"]
    both = train_study(str(csv_file), ["cnn-48k", "cnn-103k"], [0], epochs=1, device="cpu", runs_dir=tmp_path)
    assert [run.model for run, _ in started] == ["cnn-48k", "cnn-103k"]
    assert list(both.model) == ["cnn-48k", "cnn-103k"]
    assert both.iloc[0].equals(first.iloc[0].reindex(both.columns))


def test_students_of_a_study_learn_from_its_teachers_and_labels_may_be_the_voters(
    csv_file: Path, tmp_path: Path
) -> None:
    votes = str(write(tmp_path / "votes.csv", load(csv_file), row0={"sadness": 10}))

    def trained(**given: Any) -> pd.Series:
        return train_study(str(csv_file), ["cnn-48k"], [0], epochs=1, device="cpu", runs_dir=tmp_path, **given).iloc[0]

    teacher = trained()
    student, voted = trained(teachers=[teacher.run]), trained(ferplus=votes)
    assert student.teachers.startswith("cnn-48k@")
    assert len({teacher.run, student.run, voted.run}) == 3
    assert voted.fingerprint == load(csv_file, votes).fingerprint != teacher.fingerprint
    weights = [load_file(Path(run) / "weights.safetensors") for run in (teacher.run, student.run, voted.run)]
    assert not any(torch.equal(weights[0]["0.0.weight"], other["0.0.weight"]) for other in weights[1:])


@pytest.mark.parametrize("heard", [False, True], ids=["killed", "told to stop"])
def test_a_killed_process_is_started_again(
    heard: bool, csv_file: Path, tmp_path: Path, started: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = module._start

    def start_and_kill_the_first(run: Run, source: list[str], device: str) -> subprocess.Popen:
        process = recording(run, source, device)
        if len(started) == 1:
            process.kill()
            process.wait()
            if heard:  # `fer` exits so on a SIGTERM
                return subprocess.Popen([sys.executable, "-c", "raise SystemExit(143)"])
        return process

    monkeypatch.setattr(module, "_start", start_and_kill_the_first)
    table = train_study(str(csv_file), ["cnn-48k"], [0], epochs=1, device="cpu", runs_dir=tmp_path)
    assert len(started) == 2
    assert len(table) == 1


def test_a_run_that_fails_does_not_stop_the_others(
    csv_file: Path, tmp_path: Path, started: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = module._start

    def start(run: Run, source: list[str], device: str) -> subprocess.Popen:
        return recording(run, ["--data", "nowhere.csv"] if run.model == "cnn-103k" else source, device)

    monkeypatch.setattr(module, "_start", start)
    with pytest.raises(
        FerError, match=r"1 of 2 runs failed, .*kept\. cnn-103k seed 0: fer: no file or folder nowhere\.csv"
    ):
        train_study(str(csv_file), ["cnn-103k", "cnn-48k"], [0], epochs=1, device="cpu", runs_dir=tmp_path)
    assert [run.finished for run, _ in started if run.model == "cnn-48k"] == [True]


def test_names_come_with_commas_and_paths_may_hold_some(tmp_path: Path) -> None:
    assert listed("a, b,,a", "c") == ["a", "b", "c"]
    path = tmp_path / "runs, 4"
    assert listed(f"a,{path}") == ["a", f"{tmp_path}/runs", "4"]
    path.mkdir()
    assert listed("a", str(path)) == ["a", str(path)]
    assert listed("x" * 5000) == ["x" * 5000]  # no path is that long


def test_wrong_input_is_refused_before_anything_runs(csv_file: Path, tmp_path: Path, started: list) -> None:
    with pytest.raises(InputError, match="unknown model 'cnn-1k'"):
        train_study(str(csv_file), ["cnn-48k", "cnn-1k"], runs_dir=tmp_path)
    with pytest.raises(InputError, match="give at least one of each"):
        train_study(str(csv_file), [], runs_dir=tmp_path)
    with pytest.raises(InputError, match="seed -1: allowed are whole numbers from 0"):
        train_study(str(csv_file), ["cnn-48k"], [-1], runs_dir=tmp_path)
    with pytest.raises(InputError, match="seeds 'a,b': allowed are whole numbers"):
        whole_numbers("a,b")
    with pytest.raises(InputError, match="seeds '-1': allowed are whole numbers from 0"):
        whole_numbers("-1")
    assert started == []
