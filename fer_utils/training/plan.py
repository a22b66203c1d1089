"""The plan of a study: its runs, their states, and what remains to be trained."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, product
from pathlib import Path

import pandas as pd

from fer_utils.data.faces import FaceSet
from fer_utils.data.targets import check_votes
from fer_utils.errors import check_name
from fer_utils.training.locks import holder_of
from fer_utils.training.records import write_record
from fer_utils.training.runs import Run, open_teacher, read_record, results
from fer_utils.training.study import Study

FAILED = "failed.txt"  # in a run folder: the error of the last attempt


@dataclass(frozen=True)
class Planned:
    """A run of a study, with its teachers and the folder of its published record."""

    stage: str
    run: Run
    needs: tuple["Planned", ...] = ()  # its teachers in the study
    record: Path | None = None  # None if the study has no records
    teaches: bool = field(default=False, compare=False)  # whether it is the teacher of a run in the study

    @property
    def folder(self) -> Path:
        """The folder with the results of a finished run: its run folder, else its record."""
        return self.run.folder if self.run.finished or not self.record else self.record

    @property
    def finished(self) -> bool:
        """Whether the run needs no training; a published record is enough."""
        return self.run.finished or bool(self.record and read_record(self.record))

    @property
    def weights(self) -> Path | None:
        """The file of its weights; None if there is none."""
        if self.run.finished:
            return self.run.teacher.weights
        file = self.record / "weights.safetensors" if self.record and self.finished else None
        return file if file and file.exists() else None

    @property
    def epochs_done(self) -> int:
        """The number of finished epochs."""
        return self.run.recipe.epochs if self.finished else len(history_of(self.run.folder))

    @property
    def state(self) -> str:
        """`finished`, `running`, `failed`, `resumable` or `missing`."""
        if self.finished:
            return "finished"
        if holder_of(self.run.folder):
            return "running"
        if (self.run.folder / FAILED).exists():
            return "failed"
        return "resumable" if (self.run.folder / "resume.pt").exists() else "missing"


def history_of(folder: Path) -> pd.DataFrame:
    """The history of an unfinished run; empty if it is missing or damaged."""
    try:
        history = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        history = pd.DataFrame()
    return history if "seconds" in history else pd.DataFrame({"seconds": []})


def plan(study: Study, faces: FaceSet, runs_dir: Path) -> list[Planned]:
    """The runs of a study, teachers before students, each once."""
    by_stage: dict[str, list[Planned]] = {}
    open_once = cache(open_teacher)
    for stage in study.order:
        needs = tuple(one for name in stage.teachers for one in by_stage.get(name, []))
        teachers = tuple(open_once(name) for name in stage.teachers if name not in by_stage)
        teachers += tuple(replace(one.run.teacher, weights=one.weights or one.run.teacher.weights) for one in needs)
        if stage.target == "votes":
            check_votes(faces)
        votes = faces.votes_fingerprint if stage.target == "votes" else ""
        start = open_once(stage.start) if stage.start else None
        settings = (faces.fingerprint, runs_dir, stage.precision, stage.target, votes, teachers, start)
        runs = [Run(model, stage.full_recipe, seed, *settings) for model, seed in product(stage.models, stage.seeds)]
        by_stage[stage.name] = [
            Planned(stage.name, run, needs, study.records and study.records / run.name) for run in runs
        ]
    planned: dict[str, Planned] = {}
    for one in chain.from_iterable(by_stage.values()):
        planned.setdefault(one.run.key, one)  # a run of two stages belongs to the first
    teaching = {need.run.key for one in planned.values() for need in one.needs}
    return [replace(one, teaches=one.run.key in teaching) for one in planned.values()]


def find_run(planned: Iterable[Planned], run_id: str) -> Planned:
    """The run with this key or folder name. Raises `InputError` if there is none."""
    by_id = {name: one for one in planned for name in (one.run.name, one.run.key)}
    return by_id[check_name("run", run_id, by_id)]


def unfinished(planned: Iterable[Planned]) -> list[Planned]:
    """The runs to train: those without results, and teachers without weights."""
    todo: dict[str, Planned] = {}

    def want(one: Planned, *, weights: bool) -> None:
        if one.weights or (one.finished and not weights):
            return
        for teacher in one.needs:
            want(teacher, weights=True)
        todo.setdefault(one.run.key, one)

    for one in planned:
        want(one, weights=False)
    return list(todo.values())


def publish_record(one: Planned) -> None:
    """Write a finished run's record if it is missing or lacks a teacher's weights."""
    if not one.record or not one.run.finished:
        return
    if not read_record(one.record) or (one.teaches and not (one.record / "weights.safetensors").exists()):
        write_record(one.run.folder, one.record.parent, with_weights=one.teaches)


def table_of(planned: Iterable[Planned], faces: FaceSet) -> pd.DataFrame:
    """The results table of the finished runs."""
    table = results(one.folder for one in planned if one.finished)
    return table.assign(data=faces.name)  # the file may have had another name when the run was trained
