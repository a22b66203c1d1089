"""Runs: one model trained once with one recipe and one seed, as a folder; and the table of many."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import pandas as pd
import torch
from filelock import FileLock
from torch import nn

from fer_utils.data.faces import FaceSet, split
from fer_utils.errors import FerError, InputError
from fer_utils.files import code_version, whole, write_whole
from fer_utils.models import weights, zoo
from fer_utils.training import distill, evaluate, loop
from fer_utils.training.devices import device_name
from fer_utils.training.recipe import FINETUNE, Recipe, identity

COLUMNS = ("epochs", "optimizer", "batch_size", "batchnorm")  # of a recipe, in the results table


@dataclass(frozen=True)
class Run:
    """What decides the weights of a run, and the folder where they come to lie.

    The folder holds `run.json` (all there is to know; it appears last, and marks the run as finished), `history.csv`
    (one row an epoch), `predictions.csv` (one row a face of validation and tests), `weights.safetensors`, and
    `resume.pt` while the run is unfinished.
    """

    model: str
    recipe: Recipe
    seed: int
    fingerprint: str
    runs_dir: Path
    teachers: tuple[str, ...] = ()  # run folders, files of weights or names of models that ship
    start: str = ""  # one of these, whose weights are the first; if not given, they are drawn

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:  # what PyTorch takes
            raise InputError(f"seed {self.seed}: allowed are whole numbers from 0 to 2**63 - 1")
        if self.recipe.name == FINETUNE.name and not self.start:
            raise InputError(
                f"recipe {self.recipe.name} goes on from a trained net; `fer train {self.model} --start NET` names it"
            )

    @cached_property
    def folder(self) -> Path:
        """Where the run lies: a name for people, with a hash of all that decides the weights, but for the code."""
        decides = [self.model, identity(self.recipe), self.seed, self.fingerprint]
        if self.teachers:
            decides.append(sorted(map(distill.digest, self.teachers)))
        if self.start:
            decides.append({"start": distill.digest(self.start)})
        key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
        taught = "-taught" if self.teachers else ""
        return self.runs_dir / f"{self.model}_{self.recipe.name}-{self.recipe.epochs}{taught}_seed-{self.seed}_{key}"

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end."""
        return (self.folder / "run.json").exists()


def train_run(run: Run, faces: FaceSet, device: torch.device, report: Callable[[dict], None] = lambda row: None) -> Run:
    """Train what is missing of a run, from its last finished epoch on; `report` gets every epoch's row of the history.

    Two processes never train one run: the second waits for the first.
    """
    # First what may be refused, so that no folder is left behind; and as it is now: a file may change meanwhile.
    model, (training, validation) = _starting_model(run), split(faces)
    origin = {
        "code": code_version(),
        "start": distill.title(run.start) if run.start else "",
        "teachers": sorted(map(distill.title, run.teachers)),
    }
    run.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(run.folder / ".lock"):
        if not run.finished:
            state = _train(run, model, training, validation, device, report)
            _finish(run, faces, training, device, state, origin)
    return run


def _train(
    run: Run,
    model: nn.Sequential,
    training: FaceSet,
    validation: FaceSet,
    device: torch.device,
    report: Callable[[dict], None],
) -> dict[str, Any]:
    """The state after the last epoch."""
    resume = run.folder / "resume.pt"
    state = begun = _load_state(resume, device) if resume.exists() else None
    if begun is not None:
        _check_begun(begun, model, training, resume)
        torch.set_num_threads(begun["threads"])  # sums are rounded in another order with other threads
    teaching = None
    if run.teachers:
        teaching = distill.teach(run.teachers, training, run.recipe, device, run.runs_dir / "teaching")
    for state in loop.train(model, training, validation, run.recipe, run.seed, device, begun, teaching):
        state |= {"threads": torch.get_num_threads(), "order": training.order}
        with whole(resume) as draft:
            torch.save(state, draft)
        report(state["history"][-1])
    assert state is not None, "a recipe has at least one epoch"
    return state


def _starting_model(run: Run) -> nn.Sequential:
    """The model with the weights that it starts from."""
    if not run.start:
        return zoo.build(run.model, run.seed)
    name, net = weights.open_model(run.start)
    if name != run.model:
        raise InputError(f"{run.start}: holds a {name}; give a trained {run.model} to start from")
    return net


def _load_state(resume: Path, device: torch.device) -> dict[str, Any]:
    try:
        state = torch.load(resume, map_location=device)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        reason = str(error).partition("\n")[0]  # PyTorch's advice about other files follows
        raise FerError(f"{resume} is damaged ({reason}): delete it, and the run begins again") from None
    if "optimizers" not in state:
        raise FerError(f"{resume} is of an earlier version: delete it, and the run begins again")
    return state


def _check_begun(begun: dict[str, Any], model: nn.Module, training: FaceSet, resume: Path) -> None:
    """Raise `InputError` where a run was begun with another net of its name, or with its faces in another order."""
    if {k: v.shape for k, v in begun["model"].items()} != {k: v.shape for k, v in model.state_dict().items()}:
        raise InputError(f"{resume}: begun with an earlier net of this name. Delete its folder, and it is trained anew")
    if begun.get("order", training.order) != training.order:  # an earlier version did not keep it
        raise InputError(
            f"{resume}: begun with a file that has the same faces in another order. Give that one, or delete the run's "
            "folder, and it is trained anew"
        )


def _finish(
    run: Run, faces: FaceSet, training: FaceSet, device: torch.device, state: dict[str, Any], origin: dict[str, Any]
) -> None:
    """Write what the finished run leaves; `run.json` last, since it says that the rest is there."""
    history = pd.DataFrame(state["history"])
    model = zoo.build(run.model)
    model.load_state_dict(state["kept"])
    if run.recipe.batchnorm == "measured":
        loop.measure_batchnorm(model.to(device), training)
    file = run.folder / "weights.safetensors"
    weights.save(model, run.model, file)
    _, stored = weights.load_weights(file)  # the accuracy in the table is that of the file
    answers = evaluate.examine(evaluate.reader(stored, device), faces)
    record = {
        "model": run.model,
        "family": zoo.family(run.model),
        "parameters": zoo.parameters(model),
        "multiply_adds": zoo.multiply_adds(stored),
        "recipe": dataclasses.asdict(run.recipe),
        "seed": run.seed,
        "start": origin["start"],
        "teachers": origin["teachers"],
        "precision": state["precision"],
        "data": faces.name,
        "fingerprint": faces.fingerprint,
        "metrics": evaluate.scores(answers),
        "seconds": round(float(history.seconds.sum()), 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": device_name(device),
        "threads": state["threads"],
        "versions": {
            "code": origin["code"],
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }
    write_whole(run.folder / "history.csv", history.to_csv(index=False))
    write_whole(run.folder / "predictions.csv", answers.to_csv(index=False))
    write_whole(run.folder / "run.json", json.dumps(record, indent=1))
    (run.folder / "resume.pt").unlink(missing_ok=True)


def results(folders: Iterable[Path]) -> pd.DataFrame:
    """The results table: one row a finished run, given as its folder, in the order given."""
    rows = []
    for folder in folders:
        try:
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{folder}: this run is not finished; train it first") from None
        if record["multiply_adds"] != zoo.multiply_adds(zoo.build(record["model"])):
            told = f"of an earlier net {record['model']}, of other multiply-adds"
            raise InputError(f"{folder}: {told}. Delete it, and it is trained anew")
        recipe, metrics = record.pop("recipe"), record.pop("metrics")
        versions = record.pop("versions")
        record["teachers"] = " + ".join(record.get("teachers", []))
        record.setdefault("start", "")  # of an earlier version
        recipe = {name: recipe.get(name, getattr(Recipe, name, None)) for name in ("name", *COLUMNS)}
        record |= {"recipe": recipe.pop("name")} | recipe | metrics | versions
        record["run"] = str(folder)
        rows.append(record)
    return pd.DataFrame(rows)
