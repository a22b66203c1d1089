"""Weights files: float16 safetensors with the names of the model and its classes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.errors import FerError, InputError
from fer_utils.files import atomic_write
from fer_utils.models.bundled import locate
from fer_utils.models.zoo import MODELS, build

COUNTER = "num_batches_tracked"  # BatchNorm's batch counter, which inference does not need; not stored
NUMBERS_OF_CLASSES = (7, 8)  # FER2013's, FER+'s
METADATA = "network"  # a single key: safetensors writes several in random order, so equal weights would differ


@dataclass(frozen=True)
class Trained:
    """A trained network in evaluation mode, with its model name and ordered classes."""

    model: str
    classes: tuple[str, ...]
    net: nn.Sequential
    digest: str = ""  # of the weights file


def save(model: nn.Module, name: str, path: Path, classes: Sequence[str] = CLASSES) -> None:
    """Write a model as float16, atomically; `FerError` if a weight does not fit."""
    atomic_write(path, _serialize(model, name, classes))


def file_bytes(model: nn.Module, name: str) -> int:
    """Size of the model's weights file in bytes."""
    return len(_serialize(model, name, CLASSES))


def _serialize(model: nn.Module, name: str, classes: Sequence[str]) -> bytes:
    tensors = {k: v.half().contiguous().cpu() for k, v in model.state_dict().items() if not k.endswith(COUNTER)}
    if overflowed := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
        raise FerError(f"{name}: the weights in {overflowed[0]} do not fit float16; train with another recipe")
    about = {"model": name, "classes": ",".join(classes)}
    return safetensors.torch.save(tensors, {METADATA: json.dumps(about)})


def open_model(net: str) -> Trained:
    """Load a trained network by anything that `locate` accepts."""
    return load_weights(locate(net))


def digest(path: Path) -> str:
    """Hash of a weights file, 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _about(stored: dict[str, str]) -> tuple[str, list[str]]:
    """The name of the model and the classes in a file's metadata; no name if they are not ours."""
    try:
        about = json.loads(stored[METADATA]) if METADATA in stored else stored  # older files have these keys at the top
        return str(about.get("model", "")), str(about.get("classes", ",".join(CLASSES))).split(",")
    except (ValueError, AttributeError, RecursionError):
        return "", []


def load_weights(path: Path) -> Trained:
    """Load a trained network as float32; `InputError` if the file is not one of ours."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            stored = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        told = f"not a safetensors file, or damaged ({error}); give a file written by `fer train`"
        if path.suffix == ".onnx":
            told = "an ONNX file can only classify; give the run or weights that it was exported from"
        raise InputError(f"{path}: {told}") from None
    name, classes = _about(stored)
    if not name:
        raise InputError(f"{path}: does not say which model it holds; give a file written by `fer train`")
    if name not in MODELS:
        raise InputError(f"{path}: holds a {name}, which this version does not know; `fer models` lists those it does")
    if len(classes) not in NUMBERS_OF_CLASSES:
        raise InputError(f"{path}: has {len(classes)} classes; allowed are {' or '.join(map(str, NUMBERS_OF_CLASSES))}")
    model = build(name, classes=len(classes))
    shapes = {key: value.shape for key, value in model.state_dict().items() if not key.endswith(COUNTER)}
    if {key: value.shape for key, value in tensors.items()} != shapes:
        raise InputError(f"{path}: its tensors are not those of {name} in this version; train the model again")
    model.load_state_dict(tensors, strict=False)  # files have no batch counters
    return Trained(name, tuple(classes), model.eval(), digest(path))
