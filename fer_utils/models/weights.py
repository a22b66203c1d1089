"""Weights in files: float16 safetensors that carry the name of their model and of its classes."""

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

# BatchNorm's count of the batches that it saw: of no use to a trained network, and left out of the files.
COUNTER = "num_batches_tracked"
METADATA = "network"  # one key for all: safetensors writes several in random order, and equal weights in other bytes


@dataclass(frozen=True)
class Trained:
    """A trained network: the name of its model, its classes in order, and the module in evaluation mode."""

    model: str
    classes: tuple[str, ...]
    net: nn.Sequential


def save(model: nn.Module, name: str, path: Path, classes: Sequence[str] = CLASSES) -> None:
    """Write a model of the zoo's `name` as float16, completely or not at all."""
    atomic_write(path, _serialize(model, name, classes))


def file_bytes(model: nn.Module, name: str) -> int:
    """The size of a model's file."""
    return len(_serialize(model, name, CLASSES))


def _serialize(model: nn.Module, name: str, classes: Sequence[str]) -> bytes:
    tensors = {k: v.half().contiguous().cpu() for k, v in model.state_dict().items() if not k.endswith(COUNTER)}
    if overflowed := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
        raise FerError(f"{name}: the weights in {overflowed[0]} do not fit float16; train it by another recipe")
    about = {"model": name, "classes": ",".join(classes)}
    return safetensors.torch.save(tensors, {METADATA: json.dumps(about)})


def open_model(net: str) -> Trained:
    """A trained network by what `locate` takes."""
    return load_weights(locate(net))


def digest(path: Path) -> str:
    """A hash of a file of weights, 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load_weights(path: Path) -> Trained:
    """The trained network in a file, in float32 and in evaluation mode."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            stored = file.metadata() or {}
            tensors: dict[str, Tensor] = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        if path.suffix == ".onnx":
            told = "an ONNX file can only classify; give the run or the file of weights that it was exported from"
            raise InputError(f"{path}: {told}") from None
        raise InputError(f"{path}: not a safetensors file that can be read ({error})") from None
    about = json.loads(stored[METADATA]) if METADATA in stored else stored  # older files have these keys themselves
    name, classes = about.get("model"), about.get("classes", ",".join(CLASSES)).split(",")
    if name is None:
        raise InputError(f"{path}: does not say which model it holds; expected a file that `fer train` wrote")
    if name not in MODELS:
        raise InputError(f"{path}: holds a {name}, which this version does not know; `fer models` lists what it does")
    model = build(name, classes=len(classes))
    shapes = {key: value.shape for key, value in model.state_dict().items() if not key.endswith(COUNTER)}
    if {key: value.shape for key, value in tensors.items()} != shapes:
        raise InputError(f"{path}: its tensors are not those of {name}, which another version may have written")
    model.load_state_dict(tensors, strict=False)  # a file has no counters
    return Trained(name, tuple(classes), model.eval())
