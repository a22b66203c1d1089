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
from fer_utils.errors import FerError, InputError, unknown
from fer_utils.files import atomic_write
from fer_utils.models.zoo import MODELS, build

BUNDLED = Path(__file__).parents[1] / "weights"
SUFFIX = ".safetensors"
# The last part of a bundled name says what the network was trained from: `compact-46k.ferplus`, as in timm.
DATA_OF_TARGET = {"labels": "fer2013", "votes": "ferplus"}

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


def bundled(net: str) -> Path | None:
    """The bundled file of weights by this name, if there is one; `compact-46k` means `compact-46k.fer2013`."""
    if Path(net).name != net:
        return None
    files = (BUNDLED / f"{net}{SUFFIX}", BUNDLED / f"{net}.{DATA_OF_TARGET['labels']}{SUFFIX}")
    return next((file for file in files if file.exists()), None)


def bundled_names() -> list[str]:
    """The names of all bundled weights, sorted."""
    return sorted(file.name.removesuffix(SUFFIX) for file in BUNDLED.glob(f"*{SUFFIX}"))


def locate(net: str) -> Path:
    """The file of a trained network's weights, given as a bundled name, the folder of a finished run, or a file."""
    if file := bundled(net):  # also where a folder has that name: `./cnn-48k` is the folder
        return file
    path = Path(net).expanduser()
    if path.is_dir():
        if not (path / "run.json").exists():
            raise InputError(f"{net}: not the folder of a finished run, which holds run.json and weights.safetensors")
        if not (path / "weights.safetensors").exists():
            raise InputError(f"{net}: the record of a run without its weights; train it again, or take bundled weights")
        return path / "weights.safetensors"
    if path.is_file():
        return path
    if net in MODELS:
        raise InputError(f"no weights of {net} are bundled with this version; `fer train {net}` trains it")
    if path.name != net or (path.suffix[1:].isalpha() and path.suffix[1:] not in DATA_OF_TARGET.values()):
        raise InputError(f"no file or folder {net}: give a file of weights, the folder of a run, or bundled weights")
    raise unknown("weights", net, bundled_names())


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
