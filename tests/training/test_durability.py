"""The cheap part of `tests/durability.py`: one run in one process."""

import errno
import itertools
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from fer_utils.data.faces import FaceSet
from fer_utils.errors import FerError
from fer_utils.training import progress
from fer_utils.training.locks import holder_of
from fer_utils.training.plan import Planned
from fer_utils.training.recipe import named_recipe
from fer_utils.training.records import write_record
from fer_utils.training.runs import FILES, Run, train_run
from tests.conftest import ROOT, faces_of
from tests.durability import unequal_files
from tests.faults import Fault, drafts

CPU = torch.device("cpu")


class Stopped(Exception):
    pass


def stop(row: dict) -> None:
    raise Stopped


def run_in(folder: Path, faces: FaceSet) -> Run:
    return Run("cnn-48k", named_recipe("quick", 2), 0, faces.fingerprint, folder)


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return faces_of(56)


@pytest.fixture(scope="module")
def finished(faces: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_run(run_in(tmp_path_factory.mktemp("finished"), faces), faces, CPU)


@pytest.fixture(scope="module")
def stopped(faces: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was stopped after its first epoch of two."""
    run = run_in(tmp_path_factory.mktemp("stopped"), faces)
    with pytest.raises(Stopped):
        train_run(run, faces, CPU, stop)
    return run


def copy_of(run: Run, faces: FaceSet, folder: Path) -> Run:
    shutil.copytree(run.runs_dir, folder)
    return run_in(folder, faces)


def error_of(work: Callable[[], object], fault: Fault) -> OSError | None:
    """The error to which a fault in this process leads; None without one."""
    fault.environment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fault.fsync)
        try:
            work()
        except OSError as error:
            return error
    return None


@pytest.mark.parametrize("name", [*FILES, "run.json"])
def test_a_finished_run_with_a_cut_file_is_trained_again(
    name: str, faces: FaceSet, finished: Run, tmp_path: Path
) -> None:
    run = copy_of(finished, faces, tmp_path / "runs")
    file = run.folder / name
    os.truncate(file, file.stat().st_size // 2)
    assert not run.finished
    assert train_run(run, faces, CPU).finished
    assert unequal_files(finished.folder, run.folder) == []


@pytest.mark.parametrize("damage", ["none", "empty", "half", "bytes"])
def test_a_stopped_run_resumes_or_starts_again_where_its_state_is_damaged(
    damage: str, faces: FaceSet, finished: Run, stopped: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copy_of(stopped, faces, tmp_path / "runs")
    file, size = run.folder / "resume.pt", (stopped.folder / "resume.pt").stat().st_size
    if damage == "bytes":
        with file.open("r+b") as opened:
            opened.seek(size // 2)
            opened.write(bytes(range(100)))
    else:
        os.truncate(file, {"none": size, "empty": 0, "half": size // 2}[damage])
    epochs: list[dict] = []
    train_run(run, faces, CPU, epochs.append)
    assert [row["epoch"] for row in epochs] == ([2] if damage == "none" else [1, 2])
    assert ("resume.pt is damaged; training starts over" in capsys.readouterr().err) == (damage != "none")
    assert unequal_files(finished.folder, run.folder) == []


def test_a_full_disk_at_any_write_loses_nothing(faces: FaceSet, finished: Run, stopped: Run, tmp_path: Path) -> None:
    for number in itertools.count(1):
        run = copy_of(stopped, faces, tmp_path / str(number))
        full = Fault("full", str(tmp_path / f"fault-{number}"), number)
        error = error_of(partial(train_run, run, faces, CPU), full)
        if not error:
            break
        assert (error.errno, error.filename) == (errno.ENOSPC, full.hit)
        assert not run.finished
        assert drafts(tmp_path) == []
        train_run(run, faces, CPU)
        assert unequal_files(finished.folder, run.folder) == []
    assert number - 1 == 2 + 4  # resume.pt and history.csv of the epoch, and the files of a finished run


def test_a_file_that_cannot_be_written_to_its_end_is_named(faces: FaceSet, tmp_path: Path) -> None:
    run = run_in(tmp_path, faces)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*/resume\.pt'"):
            train_run(run, faces, CPU)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert drafts(tmp_path) == []


def test_a_record_is_written_again_after_a_full_disk(finished: Run, tmp_path: Path) -> None:
    whole = write_record(finished.folder, tmp_path / "whole", with_weights=True)
    for number in range(1, 6):
        records = tmp_path / str(number)
        full = Fault("full", str(tmp_path / f"fault-{number}"), number, str(records))
        assert error_of(partial(write_record, finished.folder, records, with_weights=True), full)
        assert drafts(records) == []
        assert not (records / whole.name / "run.json").exists()
        write_record(finished.folder, records, with_weights=True)
        assert unequal_files(tmp_path / "whole", records) == []


def test_drafts_of_a_killed_process_are_deleted(faces: FaceSet, finished: Run, tmp_path: Path) -> None:
    run = copy_of(finished, faces, tmp_path / "runs")
    (run.folder / ".resume.pt.0123abcd.pt").write_bytes(b"half a state")
    train_run(run, faces, CPU)
    assert drafts(run.folder) == []
    assert (run.folder / "predictions.csv").exists()


def test_progress_shows_with_damaged_files(
    faces: FaceSet, stopped: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_timed_epoch", lambda *_: 3600.0)
    run = copy_of(stopped, faces, tmp_path / "runs")
    (run.folder / "history.csv").write_text("epo")
    (run.folder / "run.json").write_text("{")
    table = progress.dry_run_table([Planned("runs", run)], faces, CPU)
    assert table.state.tolist() == ["resumable"]
    assert table.hours.tolist() == [2.0]


# ---- locks ----

HOLD = """
import sys
from pathlib import Path
from fer_utils.training.locks import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_of_two_processes_on_one_run_the_second_waits_and_says_for_whom(
    faces: FaceSet, finished: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = copy_of(finished, faces, tmp_path / "runs")
    (run.folder / "run.json").unlink()
    command = [sys.executable, "-c", HOLD, str(run.folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        second = threading.Thread(target=train_run, args=(run, faces, CPU))
        second.start()
        second.join(1.0)
        assert second.is_alive()
        assert not run.finished
        assert f"{run.folder} is held by process {first.pid} on " in capfd.readouterr().err
        assert Planned("runs", run).state == "running"
        first.communicate("let go\n")
    second.join()
    assert holder_of(run.folder) is None
    assert unequal_files(finished.folder, run.folder) == []


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_system_without_locks_is_refused(
    code: int, faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(FerError, match="this file system does not support locks, so two processes could train"):
        train_run(run_in(tmp_path, faces), faces, CPU)
