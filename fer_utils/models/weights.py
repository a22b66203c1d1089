"""Weights in files: float16 safetensors that carry the name of their model."""

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from fer_utils.errors import FerError, InputError, unknown
from fer_utils.files import write_whole
from fer_utils.models.zoo import MODELS, build

SHIPPED = Path(__file__).parents[1] / "weights"

# BatchNorm's count of the batches that it saw: of no use to a trained net, and left out of the files.
COUNTER = "num_batches_tracked"


def save(model: nn.Module, name: str, path: Path) -> None:
    """Write a model of the zoo's `name` as float16, whole or not at all."""
    write_whole(path, _serialize(model, name))


def file_bytes(model: nn.Module, name: str) -> int:
    """The size of a model's file."""
    return len(_serialize(model, name))


def _serialize(model: nn.Module, name: str) -> bytes:
    tensors = {k: v.half().contiguous().cpu() for k, v in model.state_dict().items() if not k.endswith(COUNTER)}
    if overflowed := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
        raise FerError(f"{name}: the weights in {overflowed[0]} do not fit float16; train it by another recipe")
    return safetensors.torch.save(tensors, {"model": name})


def open_model(net: str) -> tuple[str, nn.Sequential]:
    """The name of a trained net's model, and the model with its weights; `net` is what `locate` takes."""
    return load_weights(locate(net))


def ships(net: str) -> bool:
    """Whether the package has trained weights of a net by this name."""
    return Path(net).name == net and (SHIPPED / f"{net}.safetensors").exists()


def locate(net: str) -> Path:
    """The file of weights of a trained net: a model that ships, the folder of a finished run, or a file."""
    if ships(net):  # also where a folder has that name: `./cnn-48k` is the folder
        return SHIPPED / f"{net}.safetensors"
    path = Path(net).expanduser()
    if path.is_dir():
        if not (path / "run.json").exists():
            raise InputError(f"{net}: not the folder of a finished run, which holds run.json and weights.safetensors")
        return path / "weights.safetensors"
    if path.is_file():
        return path
    if net in MODELS:
        raise InputError(f"no trained {net} ships with this version; `fer train {net}` makes one")
    if path.name != net or path.suffix[1:].isalpha():  # in vgg-1.9, the 9 is no ending
        raise InputError(f"no file or folder {net}: give a file of weights, the folder of a run, or a model that ships")
    raise unknown("trained net", net, sorted(file.name.removesuffix(".safetensors") for file in SHIPPED.iterdir()))


def load_weights(path: Path) -> tuple[str, nn.Sequential]:
    """The name of the model in a file, and the model, in float32 and in evaluation mode."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            name = (file.metadata() or {}).get("model")
            names = file.keys()
            tensors: dict[str, Tensor] = {key: file.get_tensor(key).float() for key in names}
    except (OSError, safetensors.SafetensorError) as error:
        if path.suffix == ".onnx":
            told = "an ONNX file reads faces, and does no more; give the run or the file of weights that it was made of"
            raise InputError(f"{path}: {told}") from None
        raise InputError(f"{path}: not a safetensors file that can be read ({error})") from None
    if name is None:
        raise InputError(f"{path}: does not say which model it holds; expected a file that `fer train` wrote")
    if name not in MODELS:
        raise InputError(f"{path}: holds a {name}, which this version does not know; `fer models` lists what it does")
    model = build(name)
    shapes = {key: value.shape for key, value in model.state_dict().items() if not key.endswith(COUNTER)}
    if {key: value.shape for key, value in tensors.items()} != shapes:
        raise InputError(f"{path}: its tensors are not those of {name}, which another version may have written")
    model.load_state_dict(tensors, strict=False)  # a file has no counters
    return name, model.eval()
