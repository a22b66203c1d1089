"""Runs: one model, trained once with one recipe and one seed, as a folder; and the table of many."""

import dataclasses
import hashlib
import io
import json
import platform
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pandas as pd
import torch
from torch import nn

from fer_utils.data.archives import DAMAGED
from fer_utils.data.faces import FaceSet, split
from fer_utils.data.targets import TARGETS, examples
from fer_utils.errors import FerError, InputError
from fer_utils.files import atomic_write, code_version, delete_drafts
from fer_utils.models import weights, zoo
from fer_utils.models.bundled import DATA_OF_TARGET, locate
from fer_utils.training import distillation, loop, metrics
from fer_utils.training.devices import device_name, hardware
from fer_utils.training.distillation import Teacher
from fer_utils.training.locks import exclusive
from fer_utils.training.recipe import Recipe, non_default_fields

# A part of every run's key. Raise it when the same key would come to mean other weights: when data split, augmentation,
# a model of the zoo, the loop or an optimizer changes what it computes.
TRAINING_VERSION = 2
FORMAT_VERSION = 1  # of run.json
COLUMNS = ("epochs", "optimizer", "batch_size")  # of a recipe, in the results table
FILES = ("history.csv", "predictions.csv", "weights.safetensors")  # of a finished run, besides run.json


@dataclass(frozen=True)
class Run:
    """Everything that decides the weights of a run, and the folder that holds the run folders.

    A run folder holds `run.json` (written last: it marks the run as finished), `history.csv` (a row for each epoch),
    `predictions.csv` (a row for each face of validation and tests), `weights.safetensors`, and `resume.pt` while the
    run is unfinished.
    """

    model: str
    recipe: Recipe
    seed: int
    data: str  # the fingerprint of the faces
    runs_dir: Path = field(compare=False)
    precision: str = "float32"
    target: str = "labels"
    votes: str = ""  # with target votes, their fingerprint
    teachers: tuple[Teacher, ...] = ()
    start: Teacher | None = None  # a trained network whose weights are the initial ones

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the key is a hash of. The names in here are frozen: renaming one would orphan every finished run."""
        found = {
            "training_version": TRAINING_VERSION,
            "model": self.model,
            "recipe": non_default_fields(self.recipe),
            "precision": self.precision,
            "seed": self.seed,
            "data": self.data,
            "target": self.target,
            "teachers": sorted(teacher.key for teacher in self.teachers),
        }
        if self.votes:
            found["votes"] = self.votes
        if self.start:
            found["start"] = self.start.key
        return found

    @cached_property
    def key(self) -> str:
        """12 hexadecimal digits that name the run."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def name(self) -> str:
        """The run folder's name: the key after words for people."""
        distilled = "-distilled" if self.teachers else ""
        data = DATA_OF_TARGET[self.target]
        return f"{self.model}.{data}_{self.recipe.name}-{self.recipe.epochs}{distilled}_seed-{self.seed}_{self.key}"

    @cached_property
    def folder(self) -> Path:
        """The run folder."""
        return self.runs_dir / self.name

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end and all of its files are complete."""
        record = read_record(self.folder)
        sizes = record.get("bytes", {}) if record else {}
        return bool(sizes) and all(_size(self.folder / name) == size for name, size in sizes.items())

    @property
    def teacher(self) -> Teacher:
        """This run as the teacher of others."""
        return Teacher(f"run:{self.key}", self.model, self.folder / "weights.safetensors")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


def read_record(folder: Path) -> dict[str, Any] | None:
    """What a run folder's run.json says; None where it is missing or damaged. `InputError` for another format."""
    record = read_json(folder / "run.json")
    if record and record.get("format") != FORMAT_VERSION:
        raise InputError(
            f"{folder / 'run.json'} has format {record.get('format', 0)}, this version reads {FORMAT_VERSION}: its "
            "weights can be used, but not its record. Train it again, or take the version that wrote it"
        )
    return record or None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; an empty one where the file is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def open_teacher(net: str) -> Teacher:
    """A trained network as a teacher: bundled weights, a file, or the folder of a run."""
    file = locate(net)
    record = read_json(file.parent / "run.json") if file.name == "weights.safetensors" else {}
    if record.get("format") == FORMAT_VERSION:  # a run of an earlier format teaches as a file
        return Teacher(f"run:{record['key']}", record["model"], file)
    return Teacher(f"weights:{weights.digest(file)}", weights.load_weights(file).model, file)


def train_run(run: Run, faces: FaceSet, device: torch.device, report: Callable[[dict], None] = lambda row: None) -> Run:
    """Train a run, from its last finished epoch if it was interrupted; `report` gets every epoch's row of the history.

    Two processes never train one run: the second waits for the first.
    """
    model, (training, validation) = _initial_model(run), split(faces)
    learned = examples(training, run.target, run.recipe.label_smoothing)
    measured = examples(validation, run.target)
    missing = [teacher.title for teacher in run.teachers if not teacher.weights.exists()]
    if missing and not run.finished:
        raise FerError(f"{run.name}: these teachers are not trained yet: {', '.join(missing)}")
    run.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(run.folder):
        delete_drafts(run.folder)
        if run.finished:
            return run
        resumed = _read_resume(run.folder / "resume.pt", device)
        if resumed:
            torch.set_num_threads(resumed["threads"])  # other threads sum in another order
        answers = None
        if run.teachers:
            folder = run.runs_dir / "teacher-logits"
            answers = distillation.teacher_logits(run.teachers, TARGETS[run.target], learned.images, device, folder)
        states = loop.train(
            model, learned, measured, run.recipe, run.seed, device, run.precision, resumed, answers
        )  # fmt: skip
        kept, history = (resumed["kept"], resumed["history"]) if resumed else ({}, [])
        for state in states:
            kept, history = state.kept, state.history
            _write_resume(run.folder, state)
            report(history[-1])
        _finish(run, faces, device, kept, history)
    return run


def _initial_model(run: Run) -> nn.Sequential:
    """The model with its initial weights."""
    classes = TARGETS[run.target]
    if not run.start:
        return zoo.build(run.model, run.seed, len(classes))
    trained = weights.load_weights(run.start.weights)
    if trained.model != run.model:
        raise InputError(f"{run.start.weights}: holds a {trained.model}; give weights of {run.model} to start from")
    if trained.classes != classes:
        raise InputError(
            f"{run.start.weights}: knows {len(trained.classes)} classes, target {run.target} has {len(classes)}"
        )
    return trained.net


def _read_resume(file: Path, device: torch.device) -> dict[str, Any] | None:
    """The state to resume from; None where there is none, or a damaged one, from which nothing can be resumed."""
    if not file.exists():
        return None
    try:
        with zipfile.ZipFile(file) as stored:  # PyTorch does not look at the checksums
            if part := stored.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {part}")
        return torch.load(file, map_location=device)
    except (*DAMAGED, ValueError, RuntimeError, UnpicklingError) as error:
        print(f"{file} is damaged, training starts anew ({str(error).partition(chr(10))[0]})", file=sys.stderr)
        return None


def _write_resume(folder: Path, state: loop.TrainState) -> None:
    """Write the state to resume from, and then the history, by which others see the progress."""
    stored = io.BytesIO()  # PyTorch's own file writer does not tell a full disk from a bug
    torch.save(state.state_dict() | {"threads": torch.get_num_threads()}, stored)
    atomic_write(folder / "resume.pt", stored.getvalue())
    atomic_write(folder / "history.csv", pd.DataFrame(state.history).to_csv(index=False))


def _finish(
    run: Run, faces: FaceSet, device: torch.device, kept: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    """Write the files of a finished run, `run.json` last."""
    classes = TARGETS[run.target]
    model = zoo.build(run.model, classes=len(classes))
    model.load_state_dict(kept)
    file = run.folder / "weights.safetensors"
    weights.save(model, run.model, file, classes)
    trained = weights.load_weights(file)  # the metrics are those of the float16 file
    predictions, scores = metrics.examine(metrics.recognizer(trained, device), faces)
    atomic_write(run.folder / "predictions.csv", predictions.to_csv(index=False))
    atomic_write(run.folder / "history.csv", pd.DataFrame(history).to_csv(index=False))
    record = {
        "format": FORMAT_VERSION,
        "key": run.key,
        "identity": run.identity,
        "model": run.model,
        "family": zoo.family(run.model),
        "parameters": zoo.parameters(trained.net),
        "multiply_adds": zoo.multiply_adds(trained.net),
        "recipe": dataclasses.asdict(run.recipe),
        "seed": run.seed,
        "start": run.start.title if run.start else "",
        "teachers": sorted(teacher.title for teacher in run.teachers),
        "target": run.target,
        "classes": classes,
        "precision": run.precision,
        "data": faces.name,
        "fingerprint": faces.fingerprint,
        "metrics": scores,
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(device),
        "hardware": hardware(device),
        "threads": torch.get_num_threads(),
        "versions": {"code": code_version(), "torch": torch.__version__, "python": platform.python_version()},
        "bytes": {name: _size(run.folder / name) for name in FILES},
    }
    atomic_write(run.folder / "run.json", json.dumps(record, indent=1))
    (run.folder / "resume.pt").unlink(missing_ok=True)


def results(folders: Iterable[Path]) -> pd.DataFrame:
    """The results table: one row for each finished run or record, given as its folder, in the order given."""
    return pd.DataFrame([_row(folder) for folder in folders])


def _row(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    if record is None:
        raise InputError(f"{folder}: this run is not finished; train it first")
    recipe, metrics, versions = (record.pop(name) for name in ("recipe", "metrics", "versions"))
    for name in ("format", "identity", "classes", "bytes"):
        del record[name]
    record["teachers"] = " + ".join(record["teachers"])
    record["recipe"] = recipe["name"]
    record["batchnorm"] = "running"  # tells these runs from earlier ones in the published table
    return record | {name: recipe[name] for name in COLUMNS} | metrics | versions | {"run": str(folder)}
