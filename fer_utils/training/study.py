"""Studies: stages of runs, described by a file or by flags."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from fer_utils.data.targets import TARGETS
from fer_utils.errors import InputError, check_name, unknown
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.bundled import SUFFIX, bundled, bundled_names
from fer_utils.training.devices import PRECISIONS, fastest_precision, pick_device
from fer_utils.training.recipe import FINETUNE, Recipe, named_recipe

# The keys of a study file are frozen, as are those of run.json.
STAGE_KEYS = ("name", "models", "seeds", "recipe", "epochs", "target", "precision", "teachers", "start")
DEFAULT_KEYS = ("seeds", "recipe", "epochs", "target", "precision")  # also above the stages, for all of them


@dataclass(frozen=True)
class Stage:
    """Runs that are trained alike: every model with every seed.

    `teachers` are names of other stages, all of whose runs teach, and of trained networks (`bundled.locate`). `start`
    is a trained network whose weights are the initial ones.
    """

    name: str
    models: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    recipe: str = "quick"
    epochs: int | None = None
    target: str = "labels"
    precision: str = "float32"
    teachers: tuple[str, ...] = ()
    start: str = ""

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
    check_name("target", stage.target, TARGETS)
    check_name("precision", stage.precision, PRECISIONS)
    if stage.recipe == FINETUNE.name and not stage.start:
        raise InputError(f"recipe {stage.recipe} starts from pretrained weights: give them as `start`")
    if stage.start:
        _check_network(stage.start)
    for teacher in stage.teachers:
        if teacher in stages and stages[teacher].target != stage.target:
            raise InputError(f"teacher {teacher!r} learns {stages[teacher].target}, the stage {stage.target}")
        if teacher not in stages:
            _check_network(teacher, stages)


def _check_network(name: str, stages: Iterable[str] = ()) -> None:
    """Raise `InputError` if a name is none of bundled weights, a file or a folder."""
    if bundled(name) or os.path.exists(os.path.expanduser(name)):
        return
    if "/" in name or name.endswith(SUFFIX):
        raise InputError(f"no file or folder {name}; in a study file, paths are relative to its folder")
    raise unknown("network", name, [*stages, *bundled_names()], "Give a path, bundled weights or, to teach, a stage")


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
    """A stage of a study file; networks that are files lie relative to its `folder`."""
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
    values["teachers"] = tuple(_beside(folder, name) for name in values.get("teachers", ()))
    values["start"] = _beside(folder, values.get("start", ""))
    return Stage(**values)


def _beside(folder: Path, name: str) -> str:
    """The path of a file or folder below `folder`, where there is one by this name; else the name."""
    return str((folder / name).resolve()) if name and (folder / name).exists() else name


def _check_keys(table: dict[str, Any], allowed: Sequence[str], label: str) -> None:
    for key in table:
        check_name(f"key in {label}:", key, allowed)


def write_study(study: Study, path: Path) -> None:
    """Write a study as a file that `read_study` reads."""
    lines = [] if study.records is None else [f"records = {json.dumps(str(study.records.resolve()))}"]
    for stage in study.stages:
        lines += ["", "[[stage]]"]
        for key in STAGE_KEYS:
            value = getattr(stage, key)
            if value not in (None, (), ""):
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")  # is TOML as well, of such values
    atomic_write(path, "\n".join(lines).strip() + "\n")


# ---- flags ----


def single_stage(
    models: Sequence[str],
    seeds: Sequence[int] = (0,),
    recipe: str = "quick",
    epochs: int | None = None,
    target: str = "labels",
    precision: str = "auto",
    teachers: Sequence[str] = (),
    device: str = "auto",
    start: str = "",
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
        start,
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
