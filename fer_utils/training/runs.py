"""Runs: one model trained with one recipe and one seed, in a folder of its own."""

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

# Part of every run's key. Increment it when a change of the data split, augmentation, models, training loop or
# optimizers changes the weights that a key stands for.
TRAINING_VERSION = 2
FORMAT_VERSION = 1  # of run.json
COLUMNS = ("epochs", "optimizer", "batch_size")  # columns of the results table, from the recipe
NEEDED = {"key": str, "model": str, "metrics": dict, "bytes": dict}  # in run.json, by type
RESUMED = {"epoch", "best", "history", "kept", "model", "average", "optimizers", "threads"}  # in resume.pt
FILES = ("history.csv", "predictions.csv", "weights.safetensors")  # files of a finished run, besides run.json


@dataclass(frozen=True)
class Run:
    """Everything that determines the weights of a run, and the parent of its folder.

    A run folder holds `history.csv` (one row per epoch), `predictions.csv` (one row per validation and test face),
    `weights.safetensors`, and `run.json`, which is written last and marks the run as finished. An unfinished run has
    the checkpoint `resume.pt`.
    """

    model: str
    recipe: Recipe
    seed: int
    data: str  # the fingerprint of the faces
    runs_dir: Path = field(compare=False)
    precision: str = "float32"
    target: str = "labels"
    votes: str = ""  # the fingerprint of the votes, for target `votes`
    teachers: tuple[Teacher, ...] = ()
    start: Teacher | None = None  # the network to fine-tune from

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The content of the key. Do not rename its keys: finished runs would be lost."""
        optional = {"votes": self.votes, "start": self.start.key if self.start else ""}
        return {
            "training_version": TRAINING_VERSION,
            "model": self.model,
            "recipe": non_default_fields(self.recipe),
            "precision": self.precision,
            "seed": self.seed,
            "data": self.data,
            "target": self.target,
            "teachers": sorted(teacher.key for teacher in self.teachers),
        } | {name: value for name, value in optional.items() if value}

    @cached_property
    def key(self) -> str:
        """A hash that identifies the run, 12 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:12]

    @cached_property
    def name(self) -> str:
        """The run folder's name: a readable description and the key."""
        distilled = "-distilled" if self.teachers else ""
        data = DATA_OF_TARGET[self.target]
        return f"{self.model}.{data}_{self.recipe.name}-{self.recipe.epochs}{distilled}_seed-{self.seed}_{self.key}"

    @cached_property
    def folder(self) -> Path:
        """The run folder."""
        return self.runs_dir / self.name

    @property
    def finished(self) -> bool:
        """Whether the run finished and all of its files are complete."""
        sizes = (read_record(self.folder) or {}).get("bytes", {})
        return bool(sizes) and all(_size(self.folder / name) == size for name, size in sizes.items())

    @property
    def teacher(self) -> Teacher:
        """This run as a teacher of other runs."""
        return Teacher(f"run:{self.key}", self.model, self.folder / "weights.safetensors")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else -1


def read_record(folder: Path) -> dict[str, Any] | None:
    """The content of run.json, or None. Raises `InputError` for another format."""
    record = read_json(folder / "run.json")
    if record and record.get("format") != FORMAT_VERSION:
        raise InputError(
            f"{folder / 'run.json'} has format {record.get('format', 0)}, this version reads {FORMAT_VERSION}. Its "
            "weights still work. Train the run again, or use the version of fer_utils that wrote it"
        )
    if record and not all(isinstance(record.get(name), kind) for name, kind in NEEDED.items()):
        raise InputError(f"{folder / 'run.json'} is damaged. Delete it, and train the run again")
    return record or None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is missing or damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def open_teacher(net: str) -> Teacher:
    """A teacher from bundled weights, a file of weights, or a run folder."""
    file = locate(net)
    record = read_json(file.parent / "run.json") if file.name == "weights.safetensors" else {}
    if record.get("format") == FORMAT_VERSION and NEEDED.keys() <= record.keys():  # others are identified by their file
        return Teacher(f"run:{record['key']}", record["model"], file)
    return Teacher(f"weights:{weights.digest(file)}", weights.load_weights(file).model, file)


def train_run(run: Run, faces: FaceSet, device: torch.device, report: Callable[[dict], None] = lambda row: None) -> Run:
    """Train a run, resuming after its last finished epoch; skip a finished one.

    `report` is called with every epoch's row of the history. If another process trains the run, wait for it. Raises
    `FerError` if a teacher is not trained yet.
    """
    model, (training, validation) = _initial_model(run), split(faces)
    learned = examples(training, run.target, run.recipe.label_smoothing)
    measured = examples(validation, run.target)
    missing = [teacher.title for teacher in run.teachers if not teacher.weights.exists()]
    if missing and not run.finished:
        raise FerError(f"{run.name}: these teachers are not trained yet: {', '.join(missing)}; train them first")
    run.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(run.folder):
        delete_drafts(run.folder)
        if run.finished:
            return run
        resumed = _read_resume(run.folder / "resume.pt", device)
        if resumed:
            torch.set_num_threads(resumed["threads"])  # the number of threads changes the order of sums
        answers = None
        if run.teachers:
            folder = run.runs_dir / "teacher-logits"
            answers = distillation.teacher_logits(run.teachers, TARGETS[run.target], learned.images, device, folder)
        kept, history = (resumed["kept"], resumed["history"]) if resumed else ({}, [])
        rest = (run.recipe, run.seed, device, run.precision, resumed, answers)
        for state in loop.train(model, learned, measured, *rest):
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
    if (trained.model, trained.classes) != (run.model, classes):
        raise InputError(
            f"{run.start.weights}: holds weights of {trained.model} with {len(trained.classes)} classes. Give weights "
            f"of {run.model} with {len(classes)}"
        )
    return trained.net


def _read_resume(file: Path, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint to resume from; None if it is missing or damaged."""
    if not file.exists():
        return None
    try:
        with zipfile.ZipFile(file) as stored:  # PyTorch does not verify checksums
            if part := stored.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {part}")
        resumed = torch.load(file, map_location=device, weights_only=True)  # which unpickles no objects
        if not isinstance(resumed, dict) or not resumed.keys() >= RESUMED:
            raise ValueError("not a checkpoint of a run")
        return resumed
    except (*DAMAGED, ValueError, KeyError, NotImplementedError, MemoryError, UnpicklingError) as error:
        print(f"{file} is damaged; training starts over ({str(error).partition(chr(10))[0]})", file=sys.stderr)
        return None


def _write_resume(folder: Path, state: loop.TrainState) -> None:
    """Write the checkpoint, then the history that shows the progress."""
    stored = io.BytesIO()  # in memory first: torch.save reports a full disk as another error
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
    trained = weights.load_weights(file)  # measure the float16 weights of the file
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
    """The results table, one row per folder of a finished run or record."""
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
    record["batchnorm"] = "running"  # other values exist for earlier runs in the published table
    return record | {name: recipe[name] for name in COLUMNS} | metrics | versions | {"run": str(folder)}
