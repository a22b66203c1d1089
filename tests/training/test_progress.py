from pathlib import Path

import pytest
import torch

from fer_utils.data.load import load
from fer_utils.training import progress
from fer_utils.training.devices import hardware
from fer_utils.training.plan import FAILED, plan
from fer_utils.training.progress import dry_run_table, failures, progress_table, slow_precisions
from fer_utils.training.runs import Run
from fer_utils.training.study import single_stage
from tests.training.test_study import finish

CPU = torch.device("cpu")


def test_the_progress_of_a_study_is_read_from_its_folders(csv_file: Path, tmp_path: Path) -> None:
    study = single_stage(["cnn-48k", "cnn-103k", "cnn-150k"], epochs=4)
    one, begun, failed = plan(study, load(csv_file), tmp_path)
    finish(one.run, load(csv_file))
    for other in (begun, failed):
        other.run.folder.mkdir()
    (begun.run.folder / "history.csv").write_text("epoch,seconds\n1,1800\n")
    (failed.run.folder / FAILED).write_text("out of memory")
    table = progress_table([one, begun, failed])
    assert table.state.tolist() == ["finished", "missing", "failed"]
    assert table.epochs.tolist() == ["4/4", "1/4", "0/4"]
    assert table.hours_left.tolist()[:2] == [0, 1.5]
    (told,) = failures([one, begun, failed])
    assert "out of memory" in told
    (begun.run.folder / "resume.pt").write_bytes(b"")
    assert begun.state == "resumable"


def test_hours_come_from_runs_on_this_hardware_or_from_timed_steps(
    csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[str] = []

    def two_hours(run: Run, faces: int, device: torch.device) -> float:
        timed.append(run.model)
        return 7200.0

    monkeypatch.setattr(progress, "_timed_epoch", two_hours)
    study = single_stage(["cnn-48k", "cnn-103k"], [0, 1], epochs=4)
    planned = plan(study, load(csv_file), tmp_path)
    finish(planned[0].run, load(csv_file))  # of 2 seconds an epoch
    hours = dry_run_table(planned, load(csv_file), CPU).hours
    assert hours.tolist() == [0.0, pytest.approx(8 / 3600), 8.0, 8.0]
    assert timed == ["cnn-103k"]
    monkeypatch.setattr(progress, "hardware", lambda device: "another CPU")
    assert dry_run_table(planned, load(csv_file), CPU).hours.tolist() == [0.0, 8.0, 8.0, 8.0]


def test_timed_steps_are_measured(csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TIMED_STEPS", 2)
    (one,) = plan(single_stage(["compact-46k"], recipe="full", epochs=1), load(csv_file), tmp_path)
    threads = torch.get_num_threads()
    assert progress._timed_epoch(one.run, 640, CPU) > 0.05
    assert torch.get_num_threads() == threads


def test_a_slow_precision_is_named(csv_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(single_stage(["cnn-48k"], precision="bfloat16"), load(csv_file), tmp_path)
    monkeypatch.setattr(progress, "computes_bfloat16", lambda device: False)
    (told,) = slow_precisions(planned, CPU)
    assert "runs in bfloat16: 1" in told
    assert hardware(CPU) in told
    monkeypatch.setattr(progress, "computes_bfloat16", lambda device: True)
    assert slow_precisions(planned, CPU) == []
