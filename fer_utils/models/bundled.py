"""Find bundled weights and the weights of runs. Does not import PyTorch."""

from pathlib import Path

from fer_utils.errors import InputError, unknown

BUNDLED = Path(__file__).parents[1] / "weights"
SUFFIX = ".safetensors"
ONNX_SUFFIX = ".onnx"  # some networks are bundled in this format as well
# Target: last part of a bundled name, such as `compact-46k.ferplus` (as in timm).
DATA_OF_TARGET = {"labels": "fer2013", "votes": "ferplus"}


def bundled(net: str) -> Path | None:
    """The bundled weights of this name, if any; `cnn-48k` means `cnn-48k.fer2013`."""
    if Path(net).name != net:
        return None
    files = (BUNDLED / f"{net}{SUFFIX}", BUNDLED / f"{net}.{DATA_OF_TARGET['labels']}{SUFFIX}")
    return next((file for file in files if file.exists()), None)


def bundled_names() -> list[str]:
    """The names of all bundled weights, sorted."""
    return sorted(file.name.removesuffix(SUFFIX) for file in BUNDLED.glob(f"*{SUFFIX}"))


def bundled_models(target: str) -> list[str]:
    """The models with bundled weights of a target, sorted."""
    ending = f".{DATA_OF_TARGET[target]}"
    return [name.removesuffix(ending) for name in bundled_names() if name.endswith(ending)]


def locate(net: str) -> Path:
    """The weights file of a bundled name, run folder or file; `InputError` if none."""
    if file := bundled(net):  # takes precedence over a folder of that name; `./cnn-48k` is the folder
        return file
    path = Path(net).expanduser()
    if path.is_dir():
        if not (path / "run.json").exists():
            raise InputError(f"{net}: not the folder of a finished run, which holds run.json and weights.safetensors")
        if not (path / "weights.safetensors").exists():
            raise InputError(f"{net}: a run record without weights; train it again or give bundled weights")
        return path / "weights.safetensors"
    if path.is_file():
        return path
    from fer_utils.models.zoo import MODELS  # imports PyTorch

    if net in MODELS:
        raise InputError(f"no weights of {net} are bundled: train it with `fer train {net}`")
    if path.name != net or (path.suffix[1:].isalpha() and path.suffix[1:] not in DATA_OF_TARGET.values()):
        raise InputError(f"no file or folder {net}: give a weights file, the folder of a run or bundled weights")
    raise unknown("weights", net, bundled_names())


def bundled_onnx(net: str) -> Path | None:
    """The bundled ONNX file of a network, if there is one."""
    file = bundled(net)
    onnx = file.with_suffix(ONNX_SUFFIX) if file else None
    return onnx if onnx and onnx.exists() else None
