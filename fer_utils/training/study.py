"""Studies: stages of runs, described by a file or by flags, and the plan of what is still to be trained."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import chain, product
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from fer_utils.data.faces import FaceSet
from fer_utils.data.targets import check_target, check_votes
from fer_utils.errors import InputError, unknown
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.weights import bundled, bundled_names
from fer_utils.training.devices import check_precision, fastest_precision, pick_device
from fer_utils.training.distillation import Teacher
from fer_utils.training.recipe import FINETUNE, Recipe, named_recipe
from fer_utils.training.records import write_record
from fer_utils.training.runs import Run, holder_of, open_teacher, read_record, results

# The keys of a study file are frozen, as are those of run.json.
STAGE_KEYS = ("name", "models", "seeds", "recipe", "epochs", "target", "precision", "teachers")
DEFAULT_KEYS = ("seeds", "recipe", "epochs", "target", "precision")  # also above the stages, for all of them
FAILED = "failed.txt"  # in a run folder: why its last attempt failed


@dataclass(frozen=True)
class Stage:
    """Runs that are trained alike: every model with every seed.

    `teachers` are names of other stages, all of whose runs teach, and of trained networks (`weights.locate`).
    """

    name: str
    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    recipe: str = "quick"
    epochs: int | None = None
    target: str = "labels"
    precision: str = "float32"
    teachers: tuple[str, ...] = ()

    @cached_property
    def full_recipe(self) -> Recipe:
        """The recipe with this stage's epochs."""
        return named_recipe(self.recipe, self.epochs)


@dataclass(frozen=True)
class Study:
    """A grid of runs in stages; `records` is the folder of the records of finished runs, if it has one."""

    stages: tuple[Stage, ...]
    records: Path | None = None

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise InputError(f"two stages are named {min(doubled)!r}; each has a name of its own")
        for stage in self.stages:
            try:
                _check_stage(stage, self.by_name)
            except InputError as error:  # flags say one stage, which has no name for people
                raise InputError(f"stage {stage.name!r}: {error}" if len(self.stages) > 1 else str(error)) from None
        if not self.stages:
            raise InputError("a study has at least one [[stage]]")
        self.order  # noqa: B018  refuses cycles

    @cached_property
    def order(self) -> list[Stage]:
        """The stages in the order of the file, but teachers before students."""
        graph = {stage.name: [name for name in stage.teachers if name in self.by_name] for stage in self.stages}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            raise InputError(f"stages teach each other in a cycle: {' <- '.join(error.args[1])}") from None
        ordered: dict[str, Stage] = {}

        def add(name: str) -> None:
            for teacher in graph[name]:
                add(teacher)
            ordered[name] = self.by_name[name]

        for name in graph:
            add(name)
        return list(ordered.values())

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        """The stages by their names."""
        return {stage.name: stage for stage in self.stages}


def _check_stage(stage: Stage, stages: Mapping[str, Stage]) -> None:
    """Raise `InputError` if a stage names an unknown model, recipe, target, precision or teacher."""
    if not stage.models or not stage.seeds:
        raise InputError(f"models {list(stage.models)}, seeds {list(stage.seeds)}: give at least one of each")
    for model in stage.models:
        zoo.check_model(model)
    if wrong := [seed for seed in stage.seeds if not 0 <= seed < 2**63]:  # what PyTorch takes
        raise InputError(f"seed {wrong[0]}: allowed are whole numbers from 0 to 2**63 - 1")
    stage.full_recipe  # noqa: B018  refuses unknown names and epochs
    check_target(stage.target)
    check_precision(stage.precision)
    if stage.recipe == FINETUNE.name:
        raise InputError(f"recipe {stage.recipe} starts from pretrained weights, which only `fer train --start` gives")
    for teacher in stage.teachers:
        if teacher in stages and stages[teacher].target != stage.target:
            raise InputError(f"teacher {teacher!r} learns {stages[teacher].target}, the stage {stage.target}")
        if teacher not in stages and not bundled(teacher) and not os.path.exists(os.path.expanduser(teacher)):
            raise unknown("teacher", teacher, [*stages, *bundled_names()], "Give a stage, bundled weights or a path")


# ---- study files ----


def read_study(path: Path) -> Study:
    """Read a study file. Raises `InputError` with the file and the stage for what is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); does this machine see it?") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a study file ({error})") from None
    try:
        _check_keys(content, (*DEFAULT_KEYS, "records", "stage"), "study")
        tables = content.get("stage", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise InputError("a stage is a table below [[stage]]")
        if not isinstance(content.get("records", ""), str):
            raise InputError(f"records = {content['records']!r}; allowed is the path of a folder")
        defaults = {key: content[key] for key in DEFAULT_KEYS if key in content}
        stages = tuple(_stage(defaults | table, number, path.parent) for number, table in enumerate(tables, 1))
        records = path.parent / content["records"] if "records" in content else None
        return Study(stages, records)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _stage(table: dict[str, Any], number: int, folder: Path) -> Stage:
    """A stage of a study file; teachers that are files lie relative to its `folder`."""
    label = f"stage {table.get('name', number)!r}"
    _check_keys(table, STAGE_KEYS, label)
    if missing := [key for key in ("name", "models") if key not in table]:
        raise InputError(f"{label}: the key {missing[0]!r} is missing")
    kinds = {"seeds": int, "epochs": int, "models": str, "teachers": str}
    values: dict[str, Any] = {}
    for key, value in table.items():
        many = value if isinstance(value, list) else [value]
        kind = kinds.get(key, str)
        if any(type(one) is not kind for one in many) or (
            isinstance(value, list) and key not in ("models", "seeds", "teachers")
        ):
            raise InputError(
                f"{label}: {key} = {value!r}; allowed is {'a whole number' if kind is int else 'a string'}"
            )
        values[key] = tuple(dict.fromkeys(many)) if key in ("models", "seeds", "teachers") else value
    paths = {name: folder / name for name in values.get("teachers", ())}
    teachers = [str(path.resolve()) if path.exists() else name for name, path in paths.items()]
    return Stage(**values | {"teachers": tuple(teachers)})


def _check_keys(table: dict[str, Any], allowed: Sequence[str], label: str) -> None:
    for key in table:
        if key not in allowed:
            raise unknown(f"key in {label}:", key, allowed)


def write_study(study: Study, path: Path) -> None:
    """Write a study as a file that `read_study` reads."""
    lines = [] if study.records is None else [f"records = {json.dumps(str(study.records.resolve()))}"]
    for stage in study.stages:
        lines += ["", "[[stage]]"]
        for key in STAGE_KEYS:
            value = getattr(stage, key)
            if value not in (None, ()):
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")  # is TOML as well, of such values
    atomic_write(path, "\n".join(lines).strip() + "\n")


# ---- the plan ----


@dataclass(frozen=True)
class Planned:
    """A run of a study, the runs that teach it, and its record if one is published."""

    stage: str
    run: Run
    needs: tuple["Planned", ...] = ()
    record: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the results of a finished run lie: in its run folder, else in its record."""
        return self.run.folder if self.run.finished or not self.record else self.record

    @property
    def finished(self) -> bool:
        """Whether the run needs no training; a published record suffices."""
        return self.run.finished or self.record is not None

    @property
    def trained(self) -> bool:
        """Whether its weights are there, to teach with."""
        return self.run.finished or bool(self.record and (self.record / "weights.safetensors").exists())

    @property
    def epochs_done(self) -> int:
        """The finished epochs."""
        if self.finished:
            return self.run.recipe.epochs
        return len(history_of(self.run.folder))

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
    """The history of an unfinished run so far; empty where there is none, or a damaged one."""
    try:
        history = pd.read_csv(folder / "history.csv")
    except (OSError, ValueError):
        history = pd.DataFrame()
    return history if "seconds" in history else pd.DataFrame({"seconds": []})


def plan(study: Study, faces: FaceSet, runs_dir: Path) -> list[Planned]:
    """The runs of a study, teachers before students."""
    by_stage: dict[str, list[Planned]] = {}
    open_once = cache(open_teacher)
    for stage in study.order:
        needs = tuple(one for name in stage.teachers for one in by_stage.get(name, []))
        others = tuple(open_once(name) for name in stage.teachers if name not in by_stage)
        by_stage[stage.name] = [
            _planned(study, stage, model, seed, needs, others, faces, runs_dir)
            for model, seed in product(stage.models, stage.seeds)
        ]
    planned: dict[str, Planned] = {}
    for one in chain.from_iterable(by_stage.values()):
        planned.setdefault(one.run.key, one)  # of two stages with the same run, the first
    return list(planned.values())


def _planned(
    study: Study, stage: Stage, model: str, seed: int, needs: tuple[Planned, ...], others: tuple[Teacher, ...],
    faces: FaceSet, runs_dir: Path,
) -> Planned:  # fmt: skip
    run = Run(
        model, stage.full_recipe, seed, faces.fingerprint, runs_dir, stage.precision, stage.target,
        _votes_fingerprint(faces, stage.target),
        (*(_teacher(one) for one in needs), *others),
    )  # fmt: skip
    record = study.records / run.name if study.records else None
    return Planned(stage.name, run, needs, record if record and read_record(record) else None)


def _teacher(planned: Planned) -> Teacher:
    """A planned run as a teacher, by the weights of its run folder or of its record."""
    teacher = planned.run.teacher
    if not planned.run.finished and planned.trained and planned.record:
        return replace(teacher, weights=planned.record / "weights.safetensors")
    return teacher


def unfinished(planned: Iterable[Planned]) -> list[Planned]:
    """The runs that are to be trained: those without results, and the teachers without weights that they need."""
    todo: dict[str, Planned] = {}

    def want(one: Planned, *, weights: bool) -> None:
        if one.trained or (one.finished and not weights):
            return
        for teacher in one.needs:
            want(teacher, weights=True)
        todo.setdefault(one.run.key, one)

    for one in planned:
        want(one, weights=False)
    return list(todo.values())


def write_record_of(study: Study, one: Planned, planned: Sequence[Planned]) -> None:
    """Write the record of a finished run, where it is missing or lacks the weights of a run that teaches others."""
    if not study.records or not one.run.finished:
        return
    record = study.records / one.run.name
    teaches = any(need.run.key == one.run.key for other in planned for need in other.needs)
    if not read_record(record) or (teaches and not (record / "weights.safetensors").exists()):
        write_record(one.run.folder, study.records, with_weights=teaches)


def table_of(planned: Iterable[Planned], faces: FaceSet) -> pd.DataFrame:
    """The results table of the finished runs."""
    table = results(one.folder for one in planned if one.finished)
    return table.assign(data=faces.name)  # a finished run may have known the file by another name


# ---- what flags say ----


def run_of(
    model: str, faces: FaceSet, runs_dir: Path, recipe: str, epochs: int | None, seed: int, target: str, precision: str,
    device: torch.device, teachers: Sequence[str], start: str,
) -> Run:  # fmt: skip
    """One run; `precision` auto is what the device is fastest in."""
    return Run(
        zoo.check_model(model), named_recipe(recipe, epochs), seed, faces.fingerprint, runs_dir,
        fastest_precision(device) if precision == "auto" else check_precision(precision), check_target(target),
        _votes_fingerprint(faces, target),
        tuple(open_teacher(name) for name in teachers), open_teacher(start) if start else None,
    )  # fmt: skip


def _votes_fingerprint(faces: FaceSet, target: str) -> str:
    """The fingerprint of the votes, of which a run's key tells where it learns them."""
    if target != "votes":
        return ""
    check_votes(faces)
    return faces.votes_fingerprint


def single_stage(
    models: Sequence[str],
    seeds: Sequence[int] = (0,),
    recipe: str = "quick",
    epochs: int | None = None,
    target: str = "labels",
    precision: str = "auto",
    teachers: Sequence[str] = (),
    device: str = "auto",
) -> Study:
    """A study of one stage; `precision` auto is what the device is fastest in."""
    if precision == "auto":
        precision = fastest_precision(pick_device(device))
    stage = Stage(
        "runs",
        tuple(dict.fromkeys(models)),
        tuple(dict.fromkeys(seeds)),
        recipe,
        epochs,
        target,
        precision,
        tuple(teachers),
    )
    return Study((stage,))


def split_names(*texts: str) -> list[str]:
    """The comma-separated names in some texts, each once; a text that is the path of something is one name."""
    names = [name.strip() for text in texts for name in ([text] if os.path.exists(text) else text.split(","))]
    return list(dict.fromkeys(filter(None, names)))


def whole_numbers(text: str) -> list[int]:
    """The comma-separated whole numbers in a text."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise InputError(f"seeds {text!r}: allowed are comma-separated integers from 0, such as 0,1,2")
    return numbers
