"""Bundled weights: their names, and the files of trained networks. Needs no PyTorch."""

from pathlib import Path

from fer_utils.errors import InputError, unknown

BUNDLED = Path(__file__).parents[1] / "weights"
SUFFIX = ".safetensors"
# The last part of a bundled name says what the network was trained from: `compact-46k.ferplus`, as in timm.
DATA_OF_TARGET = {"labels": "fer2013", "votes": "ferplus"}
ONNX_SUFFIX = ".onnx"  # some networks are bundled in this format as well


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
    if _is_model(net):
        raise InputError(f"no weights of {net} are bundled with this version; `fer train {net}` trains it")
    if path.name != net or (path.suffix[1:].isalpha() and path.suffix[1:] not in DATA_OF_TARGET.values()):
        raise InputError(f"no file or folder {net}: give a file of weights, the folder of a run, or bundled weights")
    raise unknown("weights", net, bundled_names())


def _is_model(name: str) -> bool:
    from fer_utils.models.zoo import MODELS  # imports PyTorch

    return name in MODELS


def bundled_onnx(net: str) -> Path | None:
    """The bundled ONNX file of a network, if there is one."""
    file = bundled(net)
    onnx = file.with_suffix(ONNX_SUFFIX) if file else None
    return onnx if onnx and onnx.exists() else None
