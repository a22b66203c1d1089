import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fer_utils.data.faces import FaceSet
from fer_utils.data.load import load
from fer_utils.errors import FerError, InputError, Interrupted
from fer_utils.files import atomic_write
from fer_utils.models.bundled import BUNDLED
from fer_utils.models.zoo import build
from fer_utils.training import launchers, runs
from fer_utils.training.launchers import Job, run_study, sbatch_options, train_planned
from fer_utils.training.plan import FAILED, Planned, find_run, plan, table_of, unfinished
from fer_utils.training.records import read_predictions
from fer_utils.training.runs import Run, results
from fer_utils.training.study import (
    Stage,
    Study,
    read_study,
    single_stage,
    split_names,
    whole_numbers,
    write_study,
)

CPU = torch.device("cpu")
TWO_STAGES = """
records = "records"
epochs = 1

[[stage]]
name = "students"
models = ["cnn-103k", "cnn-48k"]
recipe = "full"
teachers = ["teachers", "compact-46k"]

[[stage]]
name = "teachers"
models = ["cnn-48k"]
seeds = [0, 1]
"""


def written(folder: Path, text: str = TWO_STAGES) -> Path:
    atomic_write(folder / "study.toml", text)
    return folder / "study.toml"


def finish(run: Run, faces: FaceSet) -> None:
    """Write the files of a finished run, without training."""
    run.folder.mkdir(parents=True, exist_ok=True)
    weights = build(run.model, run.seed).state_dict()
    history = [{"epoch": n + 1, "validation_accuracy": 0.1, "seconds": 2.0} for n in range(run.recipe.epochs)]
    runs._finish(run, faces, CPU, weights, history)


def finished_study(study: Study, job: Job) -> pd.DataFrame:
    """The results table of runs that are finished without training, which would take a process for each."""
    faces = load(job.data)
    planned = plan(study, faces, job.runs_dir)
    for one in planned:
        if not one.finished:
            finish(one.run, faces)
    return table_of(planned, faces)


@pytest.fixture
def trained(csv_file: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages and models that a study trains, in order; they are finished at once, in this process."""
    order: list[str] = []

    def train(run: Run, faces: FaceSet, device: torch.device, report: Callable) -> Run:
        for teacher in run.teachers:
            assert teacher.weights.exists(), "teachers come first"
        order.append(f"{run.model}-{run.seed}")
        finish(run, faces)
        return run

    class Process:
        def __init__(self, command: list[str], *, stdout: Any, **_: Any):
            options = dict(zip(command[4::2], command[5::2], strict=True))
            self.returncode = 0
            try:
                faces = load(options["--data"])
                planned = plan(read_study(Path(options["--study"])), faces, Path(options["--runs"]))
                train_planned(find_run(planned, options["--run"]), faces, CPU)
            except FerError as error:
                stdout.write(f"fer: {error}\n")
                self.returncode = 1

        def poll(self) -> int:
            return self.returncode

        def terminate(self) -> None: ...

        def wait(self) -> None: ...

    monkeypatch.setattr(launchers, "train_run", train)
    monkeypatch.setattr(launchers.subprocess, "Popen", Process)
    monkeypatch.setattr(launchers, "POLL_SECONDS", 0)
    return order


# ---- study files ----


def test_a_file_says_what_a_study_is(tmp_path: Path) -> None:
    study = read_study(written(tmp_path))
    assert study.stages[1] == Stage("teachers", ("cnn-48k",), (0, 1), "quick", 1)
    assert study.stages[0].full_recipe.epochs == 1
    assert [stage.name for stage in study.order] == ["teachers", "students"]
    assert study.records == tmp_path / "records"
    write_study(study, tmp_path / "again.toml")
    assert read_study(tmp_path / "again.toml") == study


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("epochs = 1", "epoch = 1"), r"unknown key in study: 'epoch'\. Did you mean 'epochs'"),
        (("seeds = [0, 1]", "seed = [0]"), r"unknown key in stage 'teachers': 'seed'\. Did you mean 'seeds'"),
        (('"cnn-103k"', '"cnn103k"'), r"stage 'students': unknown model 'cnn103k'\. Did you mean 'cnn-103k'"),
        (('"full"', '"ful"'), r"stage 'students': unknown recipe 'ful'\. Did you mean 'full'"),
        (('"teachers", "compact', '"teacher", "compact'), r"unknown network 'teacher'\. Did you mean 'teachers'"),
        (
            ('"teachers", "compact-46k"', '"weights/a.safetensors"'),
            "no file or folder weights/a.safetensors; in a study",
        ),
        (("seeds = [0, 1]", "seeds = [0, -1]"), "stage 'teachers': seed -1: allowed are integers from 0"),
        (("seeds = [0, 1]", f"seeds = [{2**63}]"), "allowed are integers from 0"),
        (("seeds = [0, 1]", 'target = "votes"'), "'students': teacher 'teachers' has target votes, its student labels"),
        (("seeds = [0, 1]", 'recipe = "finetune"'), "recipe finetune starts from pretrained weights"),
        (('records = "records"', "records = 3"), "records = 3; allowed is the path of a folder"),
        (("epochs = 1", "classes = 7"), "classes = 7; allowed is a text such as"),
        (("epochs = 1", 'classes = "angry,hapy"'), r"unknown class 'hapy'\. Did you mean 'happy'"),
        ((TWO_STAGES, 'stage = ["a"]'), r"stages must be tables under \[\[stage\]\]"),
        (("seeds = [0, 1]", 'seeds = "0"'), "stage 'teachers': seeds = '0'; allowed is an integer"),
        (("seeds = [0, 1]", "seeds = []"), "give at least one of each"),
        (("epochs = 1", "epochs = 0"), "epochs 0: must be 1 or more"),
        (("epochs = 1", 'target = "vote"'), r"unknown target 'vote'\. Did you mean 'votes'"),
        (("epochs = 1", 'precision = "float16"'), r"unknown precision 'float16'\. Did you mean 'bfloat16'"),
        (("seeds = [0, 1]", 'teachers = "students"'), "stages teach each other in a cycle: students <- teachers"),
        (('name = "teachers"', 'name = "students"'), "two stages are named 'students'"),
        (('models = ["cnn-48k"]', ""), "stage 'teachers': the key 'models' is missing"),
        (("[[stage]]", "[[stages]]"), r"unknown key in study: 'stages'\. Did you mean 'stage'"),
        ((TWO_STAGES, "epochs = 1"), r"a study needs at least one \[\[stage\]\]"),
        ((TWO_STAGES, "epochs = "), "not a study file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_in_a_file_is_refused_by_name(change: tuple[str, str], told: str, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_STAGES.replace(*change))
    with pytest.raises(InputError, match=rf"study\.toml: .*{told}"):
        read_study(file)


def test_names_are_separated_by_commas_and_paths_may_hold_some(tmp_path: Path) -> None:
    assert split_names("a, b,,a", "c") == ["a", "b", "c"]
    path = tmp_path / "runs, 4"
    assert split_names(f"a,{path}") == ["a", f"{tmp_path}/runs", "4"]
    path.mkdir()
    assert split_names("a", str(path)) == ["a", str(path)]
    assert split_names("x" * 5000) == ["x" * 5000]  # no path is that long


def test_seeds_and_options_are_checked() -> None:
    assert whole_numbers("0,2") == [0, 2]
    for text in ("a,b", "-1", ""):
        with pytest.raises(InputError, match=f"seeds {text!r}: allowed are comma-separated integers from 0"):
            whole_numbers(text)
    assert sbatch_options(["partition=gpu", "--gres=gpu:1", "exclusive"]) == {
        "partition": "gpu",
        "gres": "gpu:1",
        "exclusive": "",
    }


# ---- the plan ----


def planned_in(folder: Path, csv_file: Path, text: str = TWO_STAGES) -> tuple[Study, list[Planned], FaceSet]:
    study, faces = read_study(written(folder, text)), load(csv_file)
    return study, plan(study, faces, folder / "runs"), faces


def test_all_runs_of_a_stage_teach_together_with_bundled_weights(csv_file: Path, tmp_path: Path) -> None:
    _, (first, second, student, _), _ = planned_in(tmp_path, csv_file)
    keys = {teacher.key for teacher in student.run.teachers}
    assert {f"run:{first.run.key}", f"run:{second.run.key}"} < keys
    (bundled,) = (key for key in keys if key.startswith("weights:"))
    assert bundled == runs.open_teacher("compact-46k.fer2013").key
    assert student.needs == (first, second)


def test_an_edited_file_trains_what_changed(csv_file: Path, tmp_path: Path) -> None:
    _, planned, faces = planned_in(tmp_path, csv_file)
    for one in planned:
        finish(one.run, faces)
    more = TWO_STAGES.replace('["cnn-103k", "cnn-48k"]', '["cnn-103k", "cnn-150k"]')
    assert [one.run.model for one in unfinished(planned_in(tmp_path, csv_file, more)[1])] == ["cnn-150k"]
    others = planned_in(tmp_path, csv_file, TWO_STAGES.replace("seeds = [0, 1]", "seeds = [0, 2]"))[1]
    assert [(one.stage, one.run.seed) for one in unfinished(others)] == [("teachers", 2), *[("students", 0)] * 2]


def test_teachers_that_are_files_lie_beside_the_study_file(csv_file: Path, tmp_path: Path) -> None:
    (tmp_path / "own.safetensors").write_bytes((BUNDLED / "compact-46k.fer2013.safetensors").read_bytes())
    beside, named = (
        planned_in(tmp_path, csv_file, TWO_STAGES.replace('"compact-46k"', name))[1][2].run.key
        for name in ('"own.safetensors"', '"compact-46k"')
    )
    assert beside == named  # equal bytes are the same teacher


def test_a_run_of_two_stages_is_trained_once_and_first(csv_file: Path, tmp_path: Path) -> None:
    again = TWO_STAGES + '\n[[stage]]\nname = "again"\nmodels = ["cnn-48k", "cnn-150k"]\nseeds = [0]\n'
    _, planned, _ = planned_in(tmp_path, csv_file, again)
    assert [one.stage for one in planned] == ["teachers", "teachers", "students", "students", "again"]


def test_a_published_record_counts_as_finished_without_weights(csv_file: Path, tmp_path: Path, trained: list) -> None:
    study, planned, _ = planned_in(tmp_path, csv_file)
    table = run_study(study, Job(str(csv_file), tmp_path / "runs", tmp_path / "study.toml"))
    assert trained[:2] == ["cnn-48k-0", "cnn-48k-1"]
    elsewhere = plan(study, load(csv_file), tmp_path / "another machine")
    assert unfinished(elsewhere) == []
    again = results(one.folder for one in elsewhere).assign(data="fer2013.csv")
    assert again.drop(columns="run").equals(table.drop(columns="run"))
    student, teacher = elsewhere[2], elsewhere[0]
    assert not student.weights
    assert teacher.weights  # it teaches, so that its weights are kept
    exact, kept = read_predictions(planned[2].run.folder), read_predictions(student.folder)
    for column in exact:
        if column.startswith("p_"):
            assert (exact[column] - kept[column]).abs().max() < 0.005
        else:
            assert exact[column].tolist() == kept[column].tolist()
    # Another student of these teachers needs no teacher to be trained again, until their weights are gone.
    more = replace(study, stages=(replace(study.stages[0], seeds=(0, 1)), study.stages[1]))
    todo = unfinished(plan(more, load(csv_file), tmp_path / "another machine"))
    assert [(one.stage, one.run.seed) for one in todo] == [("students", 1)] * 2
    (teacher.folder / "weights.safetensors").unlink()
    todo = unfinished(plan(more, load(csv_file), tmp_path / "another machine"))
    assert [(one.stage, one.run.seed) for one in todo] == [("teachers", 0), *[("students", 1)] * 2]


@pytest.mark.parametrize("name", ["weights.safetensors", "predictions.csv", "history.csv", "run.json"])
def test_a_run_folder_cut_short_is_not_finished(name: str, csv_file: Path, tmp_path: Path) -> None:
    _, (one, *_), faces = planned_in(tmp_path, csv_file)
    finish(one.run, faces)
    assert one.finished
    file = one.run.folder / name
    file.write_bytes(file.read_bytes()[:-10])
    assert not one.finished
    assert one.state == "missing"


# ---- launchers ----


def test_a_study_trains_what_is_missing_and_nothing_twice(csv_file: Path, tmp_path: Path, trained: list) -> None:
    job = Job(str(csv_file), tmp_path)
    first = run_study(single_stage(["cnn-48k"], epochs=1), job)
    assert trained == ["cnn-48k-0"]
    both = run_study(single_stage(["cnn-48k", "cnn-103k"], epochs=1), job)
    assert trained == ["cnn-48k-0", "cnn-103k-0"]
    assert both.iloc[0].equals(first.iloc[0].reindex(both.columns))


def test_a_failed_run_stops_those_that_it_teaches_and_no_others(
    csv_file: Path, tmp_path: Path, trained: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    finishing = launchers.train_run

    def fails(run: Run, *rest: Any) -> Run:
        if (run.model, run.seed) == ("cnn-48k", 1) and not run.teachers:
            raise FerError("the disk is on fire")
        return finishing(run, *rest)

    monkeypatch.setattr(launchers, "train_run", fails)
    others = TWO_STAGES + '\n[[stage]]\nname = "others"\nmodels = ["cnn-150k"]\n'
    study, planned, _ = planned_in(tmp_path, csv_file, others)
    planned[1].run.folder.mkdir(parents=True)
    with pytest.raises(FerError, match="3 of 5 runs failed") as caught:
        run_study(study, Job(str(csv_file), tmp_path / "runs"), out=tmp_path / "out.csv")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 2
    assert "teachers: cnn-48k seed 1: exit code 1" in str(caught.value)
    assert "fer: the disk is on fire" in str(caught.value)
    assert "students: cnn-103k seed 0: its teacher cnn-48k.fer2013_quick-1_seed-1" in str(caught.value)
    assert sorted(trained) == ["cnn-150k-0", "cnn-48k-0"]
    assert planned[1].state == "failed"
    monkeypatch.setattr(launchers, "train_run", finishing)
    assert len(run_study(study, Job(str(csv_file), tmp_path / "runs", tmp_path / "study.toml"))) == 5
    assert planned[1].state == "finished"
    assert not (planned[1].run.folder / FAILED).exists()


@pytest.mark.parametrize("code", [-9, 143], ids=["killed", "told to stop"])
def test_a_killed_process_starts_again(
    code: int, csv_file: Path, tmp_path: Path, trained: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[int] = []
    end = launchers._Pool._end

    def killed_at_first(pool: Any, one: Planned, returned: int) -> None:
        collected.append(returned)
        end(pool, one, code if len(collected) == 1 else returned)

    monkeypatch.setattr(launchers._Pool, "_end", killed_at_first)
    assert len(run_study(single_stage(["cnn-48k"], epochs=1), Job(str(csv_file), tmp_path))) == 1
    assert collected == [0, 0]


def test_ctrl_c_ends_the_processes_and_says_how_to_resume(
    csv_file: Path, tmp_path: Path, trained: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    stopped: list[bool] = []
    stop = launchers._Pool.stop
    monkeypatch.setattr(launchers.time, "sleep", interrupt)
    monkeypatch.setattr(launchers._Pool, "stop", lambda pool: stopped.append(bool(pool.active)) or stop(pool))  # type: ignore[func-returns-value]
    with pytest.raises(Interrupted, match="The same command resumes") as caught:
        run_study(single_stage(["cnn-48k"], epochs=1), Job(str(csv_file), tmp_path))
    assert caught.value.exit_code == 130
    assert stopped == [True]


def test_the_print_launcher_groups_commands_by_stage(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, planned, _ = planned_in(tmp_path, csv_file)
    table = run_study(study, Job(str(csv_file), tmp_path / "runs", tmp_path / "study.toml"), "print")
    lines = capsys.readouterr().out.splitlines()
    assert table.empty
    assert [line for line in lines if line.startswith("#")] == ["# stage teachers", "# stage students"]
    (copy,) = (tmp_path / "runs" / "studies").glob("*.toml")  # which an edit of the file does not change
    assert lines[1].startswith(f"fer train --study {copy} --run {planned[0].run.name} --data ")
    assert read_study(copy) == study
    assert len(lines) == 6


def test_a_run_without_its_teachers_names_them(csv_file: Path, tmp_path: Path) -> None:
    _, planned, faces = planned_in(tmp_path, csv_file)
    with pytest.raises(FerError, match=r"teachers are not trained yet: cnn-48k@\w+, cnn-48k@\w+") as caught:
        train_planned(planned[2], faces, CPU)
    assert caught.value.exit_code == 1
    with pytest.raises(InputError, match="unknown run 'abc'"):
        find_run(planned, "abc")
    assert find_run(planned, planned[1].run.key) is find_run(planned, planned[1].run.name)


def test_a_study_in_processes_of_its_own(csv_file: Path, tmp_path: Path) -> None:
    votes_free = 'epochs = 1\n[[stage]]\nname = "a"\nmodels = ["cnn-48k"]\n'
    job = Job(str(csv_file), tmp_path / "runs", written(tmp_path, votes_free), device="cpu")
    table = run_study(read_study(tmp_path / "study.toml"), job)
    assert (table.epochs.tolist(), table.data.tolist()) == ([1], [csv_file.name])
    log = Path(table.run[0]) / "train.log"
    assert log.read_text().splitlines()[-1].startswith("finished in ")
    assert json.loads((log.parent / "run.json").read_text())["threads"] == 1
    assert isinstance(table, pd.DataFrame)


def test_the_published_study_has_its_teachers_and_records() -> None:
    figures = Path(__file__).parents[2] / "figures"
    study = read_study(figures / "published.toml")  # which refuses a teacher whose file is not there
    assert study.records == figures / "records"
    teaching = {name for stage in study.stages for name in stage.teachers}
    recipes = {stage.full_recipe for stage in study.stages if stage.name in teaching}
    for folder in (file.parent for file in study.records.glob("*/run.json")):
        assert len(read_predictions(folder))
        if any(f"_{recipe.name}-{recipe.epochs}_" in folder.name for recipe in recipes):
            assert (folder / "weights.safetensors").exists()
