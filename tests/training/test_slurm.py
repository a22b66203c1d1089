"""Jobs by submitit's local executor and by stand-ins for Slurm's commands; tests/slurm.sh has a real Slurm."""

import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from submitit.core.utils import DelayedSubmission
from submitit.local import local

from fer_utils.errors import FerError, InputError
from fer_utils.training import slurm
from fer_utils.training.slurm import submit

TELL_AND_WAIT = """
import os, sys, time
from pathlib import Path
told = Path(sys.argv[1])
if not told.exists():
    told.with_suffix(".tmp").write_text(f"{os.getpid()} {os.getppid()}")
    told.with_suffix(".tmp").rename(told)
    time.sleep(60)
try:
    os.kill(int(told.read_text().split()[0]), 0)
except ProcessLookupError:
    print("resumed alone")
"""


def python(text: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", text, *arguments]


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Wait until every local job has ended."""
    processes: list[subprocess.Popen] = []
    original = local.start_controller

    def start(*args: Any, **kwargs: Any) -> subprocess.Popen:
        processes.append(original(*args, **kwargs))
        return processes[-1]

    def wait() -> None:
        for process in processes:
            process.wait(timeout=60)

    monkeypatch.setattr(local, "start_controller", start)
    yield wait
    wait()


def log(folder: Path, job: str) -> str:
    return (folder / f"{job}_0_log.out").read_text()


def test_jobs_run_and_one_that_fails_shows_its_last_lines(
    tmp_path: Path, finish: Callable, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "it's = jobs"
    commands = [
        python("import os; print('threads', os.environ['OMP_NUM_THREADS'])"),
        python("print('epoch 1'); raise SystemExit('fer: no teachers')"),
        python("import os; os.kill(os.getpid(), 9)"),
    ]
    done, failed, killed = submit(commands, folder, {}, executor="local")
    finish()
    assert "3 jobs submitted" in capsys.readouterr().out
    assert "threads 1\n" in log(folder, done)
    assert "completed successfully" in log(folder, done)
    assert "ended with status 1. Its last lines:\nepoch 1\nfer: no teachers\n" in log(folder, failed)
    assert "ended with status -9" in log(folder, killed)
    assert "completed successfully" not in log(folder, failed) + log(folder, killed)


def test_a_requeued_job_ends_its_process_first_and_only_then(tmp_path: Path, finish: Callable) -> None:
    told = tmp_path / "told"
    [job] = submit([python(TELL_AND_WAIT, str(told))], tmp_path, {}, executor="local")
    for _ in range(600):
        if told.exists():
            break
        time.sleep(0.05)
    process, parent = map(int, told.read_text().split())
    for number in (signal.SIGTERM, signal.SIGUSR2):  # Slurm sends them to all processes of a job
        os.kill(process, number)
    os.kill(parent, signal.SIGTERM)
    time.sleep(0.5)
    os.kill(process, 0)
    os.kill(parent, signal.SIGUSR2)
    finish()
    assert "resumed alone\n" in log(tmp_path, job)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH with stand-ins for Slurm's commands. Arrays have 3 jobs; partition `full` takes one array."""
    scripts = {
        "srun": "",
        "scontrol": "echo 'MaxArraySize            = 3'",
        "sbatch": f"""
            number=$(($(cat {tmp_path}/number) + 1))
            if grep -q partition=none "$1" || {"{"} grep -q partition=full "$1" && [ $number = 2 ]; {"}"}; then
                echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2
                echo 'sbatch: error: Batch job submission failed' >&2
                exit 1
            fi
            echo $number > {tmp_path}/number
            echo "Submitted batch job $number" """,
    }
    (tmp_path / "number").write_text("0")
    for name, text in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_more_jobs_than_an_array_holds_become_several(cluster: Path, capsys: pytest.CaptureFixture) -> None:
    commands = [[sys.executable, str(number)] for number in range(7)]
    options = {"gres": "gpu:1", "cpus-per-task": "2", "time": "2-00:00:00", "exclusive": "", "python": "/opt/python"}
    ids = submit(commands, cluster / "jobs", options, after=["8_0", "8_1", "9"])
    assert ids == ["1_0", "1_1", "1_2", "2_0", "2_1", "2_2", "3"]
    pickles = [DelayedSubmission.load(cluster / "jobs" / f"{job}_submitted.pkl") for job in ids]
    assert [pickled.args for pickled in pickles] == [(["/opt/python", str(number)],) for number in range(7)]
    script = (cluster / "jobs" / "2_submission.sh").read_text()
    lines = ["array=0-2%3", "gres=gpu:1", "cpus-per-task=2", "time=2880", "requeue", "exclusive"]
    for line in [*lines, "dependency=afterany:8:9"]:
        assert f"#SBATCH --{line}\n" in script
    assert "/opt/python -u -m submitit" in script
    assert "7 jobs submitted: 1, 2, 3. A job that reaches 48 h 0 min is requeued" in capsys.readouterr().out


def test_what_sbatch_refuses_is_told_whole_and_not_called_submitted(
    cluster: Path, capsys: pytest.CaptureFixture
) -> None:
    commands = [["true"]] * 4
    refusal = "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed"
    with pytest.raises(FerError, match=f"^submission failed: {refusal}$"):
        submit(commands, cluster / "jobs", {"partition": "none"})
    with pytest.raises(FerError, match=f"{refusal}\n3 of 4 jobs were submitted before: 1$"):
        submit(commands, cluster / "jobs", {"partition": "full"})
    (cluster / "scontrol").write_text("#!/bin/sh\necho no controller >&2; exit 1")
    with pytest.raises(FerError, match="no controller"):
        submit(commands, cluster / "jobs", {})
    assert capsys.readouterr() == ("", "")


def test_without_slurm_or_submitit_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FerError, match=r"submission failed: .*scontrol"):
        submit([["true"]], tmp_path, {})
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(FerError, match=r"pip install 'fer_utils\[slurm\]'$"):
        submit([["true"]], tmp_path, {}, executor="local")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("02:00:00", 120), ("36:00:01", 2161), ("2-00:00:00", 2880), ("0-00:00:30", 1)],
)
def test_time_limits_are_minutes_and_hours_or_days_with_seconds(text: str, minutes: int) -> None:
    assert slurm._minutes(text) == minutes


@pytest.mark.parametrize("time", ["2:00", "2-00", "2-00:00", "0", "00:00:00", "-5", "1h", "", datetime.time(2), 1.5])
def test_other_time_limits_are_refused(time: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allowed are"):
        submit([["true"]], tmp_path, {"time": time})


def test_what_would_break_the_job_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'array' is set by fer"):
        submit([["true"]], tmp_path, {"array": "0-9"})
    with pytest.raises(InputError, match="'%'"):
        submit([["true"]], tmp_path / "100%", {})
