"""Studies: stages of runs, described by a study file or by flags."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fer_utils.data.classes import parse_order
from fer_utils.data.targets import TARGETS
from fer_utils.errors import InputError, check_name, unknown
from fer_utils.files import atomic_write
from fer_utils.models import zoo
from fer_utils.models.bundled import SUFFIX, bundled, bundled_names
from fer_utils.training.devices import PRECISIONS, fastest_precision, pick_device
from fer_utils.training.recipe import FINETUNE, Recipe, named_recipe

# Do not rename the keys of study files and of run.json.
STAGE_KEYS = ("name", "models", "seeds", "recipe", "epochs", "target", "precision", "teachers", "start")
DEFAULT_KEYS = ("seeds", "recipe", "epochs", "target", "precision")  # allowed at the top, for all stages
LIST_KEYS = ("models", "seeds", "teachers")


@dataclass(frozen=True)
class Stage:
    """Runs with the same settings: every model with every seed.

    `teachers` are other stages (all of their runs) and trained networks (`bundled.locate`). `start` is the trained
    network to fine-tune from.
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
        """The recipe with the epochs of this stage."""
        return named_recipe(self.recipe, self.epochs)


@dataclass(frozen=True)
class Study:
    """A grid of runs in stages; finished runs are published in folder `records`."""

    stages: tuple[Stage, ...]
    records: Path | None = None
    classes: str = ""  # the order of the classes of labels that are numbers

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise InputError(f"two stages are named {min(doubled)!r}; names must be unique")
        for stage in self.stages:
            try:
                _check_stage(stage, self.by_name)
            except InputError as error:  # a single stage may come from flags and then has no name
                raise InputError(f"stage {stage.name!r}: {error}" if len(self.stages) > 1 else str(error)) from None
        parse_order(self.classes)
        if not self.stages:
            raise InputError("a study needs at least one [[stage]]")
        self.order  # noqa: B018  refuses cycles

    @cached_property
    def order(self) -> list[Stage]:
        """The stages in file order, with teachers moved before their students."""
        ordered: dict[str, Stage] = {}

        def add(name: str, students: tuple[str, ...] = ()) -> None:
            if name in students:
                raise InputError(f"stages teach each other in a cycle: {' <- '.join((*students, name))}")
            for teacher in self.by_name[name].teachers:
                if teacher in self.by_name:
                    add(teacher, (*students, name))
            ordered[name] = self.by_name[name]

        for name in self.by_name:
            add(name)
        return list(ordered.values())

    @cached_property
    def by_name(self) -> dict[str, Stage]:
        """The stages by name."""
        return {stage.name: stage for stage in self.stages}


def _check_stage(stage: Stage, stages: Mapping[str, Stage]) -> None:
    """Raise `InputError` for a value that is not allowed."""
    if not stage.models or not stage.seeds:
        raise InputError(f"models {list(stage.models)}, seeds {list(stage.seeds)}: give at least one of each")
    for model in stage.models:
        zoo.check_model(model)
    if wrong := [seed for seed in stage.seeds if not 0 <= seed < 2**63]:  # the range of PyTorch's seeds
        raise InputError(f"seed {wrong[0]}: allowed are integers from 0 to 2**63 - 1")
    stage.full_recipe  # noqa: B018  refuses unknown names and epochs
    check_name("target", stage.target, TARGETS)
    check_name("precision", stage.precision, PRECISIONS)
    if stage.recipe == FINETUNE.name and not stage.start:
        raise InputError(f"recipe {stage.recipe} starts from pretrained weights: give them as `start`")
    if stage.start:
        _check_network(stage.start)
    for teacher in stage.teachers:
        if teacher in stages and stages[teacher].target != stage.target:
            raise InputError(f"teacher {teacher!r} has target {stages[teacher].target}, its student {stage.target}")
        if teacher not in stages:
            _check_network(teacher, stages)


def _check_network(name: str, stages: Iterable[str] = ()) -> None:
    """Raise `InputError` if `name` is not bundled weights, a file or a folder."""
    if bundled(name) or os.path.exists(os.path.expanduser(name)):
        return
    if "/" in name or name.endswith(SUFFIX):
        raise InputError(f"no file or folder {name}; in a study file, paths are relative to its folder")
    raise unknown("network", name, [*stages, *bundled_names()], "Give a path, bundled weights or, as teacher, a stage")


# ---- study files ----


def read_study(path: Path) -> Study:
    """Read a study file. Raises `InputError` that names the file, stage and error."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path on this machine") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a study file ({error})") from None
    try:
        for key in content:
            check_name("key in study:", key, (*DEFAULT_KEYS, "records", "classes", "stage"))
        tables = content.get("stage", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise InputError("stages must be tables under [[stage]]")
        if not isinstance(content.get("records", ""), str):
            raise InputError(f"records = {content['records']!r}; allowed is the path of a folder")
        if not isinstance(content.get("classes", ""), str):
            raise InputError(f'classes = {content["classes"]!r}; allowed is a text such as "angry,disgust,-"')
        defaults = {key: content[key] for key in DEFAULT_KEYS if key in content}
        stages = tuple(_stage(defaults | table, number, path.parent) for number, table in enumerate(tables, 1))
        records = path.parent / content["records"] if "records" in content else None
        return Study(stages, records, content.get("classes", ""))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _stage(table: dict[str, Any], number: int, folder: Path) -> Stage:
    """A stage of a study file; paths of networks are relative to `folder`."""
    label = f"stage {table.get('name', number)!r}"
    for key in table:
        check_name(f"key in {label}:", key, STAGE_KEYS)
    if missing := [key for key in ("name", "models") if key not in table]:
        raise InputError(f"{label}: the key {missing[0]!r} is missing")
    values: dict[str, Any] = {}
    for key, value in table.items():
        kind, is_list = int if key in ("seeds", "epochs") else str, isinstance(value, list)
        many = value if is_list else [value]
        if any(type(one) is not kind for one in many) or (is_list and key not in LIST_KEYS):
            raise InputError(f"{label}: {key} = {value!r}; allowed is {'an integer' if kind is int else 'a string'}")
        values[key] = tuple(dict.fromkeys(many)) if key in LIST_KEYS else value
    values["teachers"] = tuple(_beside(folder, name) for name in values.get("teachers", ()))
    values["start"] = _beside(folder, values.get("start", ""))
    return Stage(**values)


def _beside(folder: Path, name: str) -> str:
    """The path `folder / name` if it exists, else the name."""
    return str((folder / name).resolve()) if name and (folder / name).exists() else name


def write_study(study: Study, path: Path) -> None:
    """Write a study file for `read_study`."""
    lines = [] if study.records is None else [f"records = {json.dumps(str(study.records.resolve()))}"]
    lines += [f"classes = {json.dumps(study.classes)}"] if study.classes else []
    for stage in study.stages:
        lines += ["", "[[stage]]"]
        for key in STAGE_KEYS:
            value = getattr(stage, key)
            if value not in (None, (), ""):
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")  # for these values, JSON is valid TOML
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
    classes: str = "",
) -> Study:
    """A study of one stage. `precision` auto is the fastest on the device."""
    if precision == "auto":
        precision = fastest_precision(pick_device(device))
    unique_models, unique_seeds = tuple(dict.fromkeys(models)), tuple(dict.fromkeys(seeds))
    stage = Stage("runs", unique_models, unique_seeds, recipe, epochs, target, precision, tuple(teachers), start)
    return Study((stage,), classes=classes)


def split_names(*texts: str) -> list[str]:
    """Comma-separated names, each once. A text that is an existing path is one name."""
    names = [name.strip() for text in texts for name in ([text] if os.path.exists(text) else text.split(","))]
    return list(dict.fromkeys(filter(None, names)))


def whole_numbers(text: str) -> list[int]:
    """Comma-separated integers from 0. Raises `InputError` for anything else."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0:
        raise InputError(f"seeds {text!r}: allowed are comma-separated integers from 0, such as 0,1,2")
    return numbers
