"""The zoo: the named models, what each is made of, and what it costs."""

import copy
from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fer_utils.data.faces import CLASSES, SIDE_PX
from fer_utils.errors import check_name
from fer_utils.models.cnn import cnn
from fer_utils.models.compact import compact
from fer_utils.models.matched import BUDGETS, matched, narrow, thousands
from fer_utils.models.matched import FAMILIES as MATCHED
from fer_utils.models.mobilenet import mobilenet
from fer_utils.models.others import mini_xception, mobilenet_v2
from fer_utils.models.resnet import resnet
from fer_utils.models.vgg import vgg

# The models of the original report. It gives the structures of mobilenet-46k and the VGG. Of the others it gives the
# parameters alone; the structures here are reconstructions that have exactly as many.
HOMEWORK: dict[str, Callable[..., nn.Sequential]] = {
    "mobilenet-46k": partial(mobilenet, (32, 32), [(64, 1), (64, 1), (80, 2), (80, 1), (80, 2), (80, 1)]),
    "mobilenet-112k": partial(mobilenet, (64, 64), [(64, 1), (64, 1), (128, 2), (128, 1), (128, 2), (128, 1)]),
    "mobilenet-158k": partial(
        mobilenet, (64, 64), [(64, 1), (64, 1), (128, 2), (128, 1), (128, 2), (128, 1), (128, 1), (128, 1)], hidden=[80]
    ),
    "cnn-48k": partial(cnn, [(16,), (32, 32), (32, 32, 32)], hidden=[32, 32]),
    "cnn-103k": partial(cnn, [(32,), (32,), (64,), (64,)], hidden=[512]),
    "cnn-150k": partial(cnn, [(64,), (64,), (64,), (64,)], hidden=[512]),
    "cnn-852k": partial(cnn, [(64,), (64, 128), (128, 128, 128)], hidden=[512, 64]),
    "vgg-1.9m": partial(vgg, (64, 128, 128), (True, False, True), hidden=[512, 512]),
}
MODELS: dict[str, Callable[..., nn.Sequential]] = {
    **HOMEWORK,
    # The number is a limit: the size of the net, by others, that each stands beside.
    "compact-46k": partial(compact, [(64, 4), (88, 3), (96, 3)], head=112, separable=True),
    "compact-58k": partial(compact, [(64, 4), (96, 4), (108, 3)], head=120, separable=True),
    "compact-103k": partial(compact, [(80, 4), (120, 4), (144, 4)], head=160, separable=True),
    "compact-158k": partial(compact, [(48, 4), (64, 3), (88, 2)], head=176),
    "compact-900k": partial(compact, [(48, 4), (112, 4), (192, 4)], head=512),
    "teacher-1.4m": partial(resnet, (64, 128, 256), blocks=2),
    # Networks of others, at the sizes of ours.
    "minixception-57k": mini_xception,
    "mobilenetv2-158k": partial(mobilenet_v2, 0.247),
    # For question 4: nets of equal size that differ in one thing at a time.
    **{f"{name}-{thousands(n)}": partial(matched, name, n) for name in MATCHED for n in BUDGETS},
    **{f"narrow8-{thousands(size)}": partial(narrow, n) for n, size in BUDGETS.items()},
}


def check_model(name: str) -> str:
    """The name itself, if the zoo has it."""
    return check_name("model", name, MODELS, "`fer models` lists them")


def family(name: str) -> str:
    """The family that a model's name begins with, such as `mobilenet`."""
    return name.partition("-")[0]


def build(name: str, seed: int = 0, classes: int = len(CLASSES)) -> nn.Sequential:
    """A new model of the zoo, initialized with `seed` on the CPU: `(N, 1, 48, 48)` -> logits `(N, classes)`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reset a GPU's generator
        return MODELS[check_model(name)](classes=classes)


def parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def keras_parameters(model: nn.Module) -> int:
    """The number of parameters as Keras counts them, with the mean and variance of every BatchNorm."""
    return parameters(model) + sum(b.numel() for b in model.buffers() if b.is_floating_point())


def takes_any_size(model: nn.Sequential) -> bool:
    """Whether a model reads faces of other sizes too, since it averages the map to a fixed size before its head."""
    return any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in model)


def multiply_adds(model: nn.Module) -> int:
    """MACs to classify one face, including those with zeros: at borders, and in a strided filter's mirror image."""
    shapes = copy.deepcopy(model).to("meta").eval()  # counts without computing
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        shapes(torch.zeros(1, 1, SIDE_PX, SIDE_PX, device="meta"))
    return counter.get_total_flops() // 2


def layers(name: str) -> pd.DataFrame:
    """A row for each layer of a model: what it is, the shape that it puts out for one face, and its parameters."""
    x, rows = torch.zeros(1, 1, SIDE_PX, SIDE_PX), []
    with torch.inference_mode():
        for layer in build(name).eval():
            x = layer(x)
            rows.append((describe(layer), "×".join(map(str, x.shape[1:])), parameters(layer)))
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def describe(layer: nn.Module) -> str:
    """A layer in a few words, with its widths."""
    name, weighted = type(layer).__name__, [m for m in layer.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    if not any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in layer.modules()):
        name = name.removesuffix("BN")
    if weighted:
        return f"{name} {_widths(weighted[0])[0]}→{_widths(weighted[-1])[1]}"
    if isinstance(layer, nn.Dropout):
        return f"{name} {layer.p}"
    size = getattr(layer, "kernel_size", getattr(layer, "output_size", None))
    return f"{name} {size}" if size else name


def _widths(layer: nn.Conv2d | nn.Linear) -> tuple[int, int]:
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    return layer.in_features, layer.out_features


def zoo(names: Iterable[str] = MODELS) -> pd.DataFrame:
    """Models as a table: name, family, trainable parameters, Keras count, multiply-adds, bytes of a float16 file."""
    from fer_utils.models.weights import file_bytes

    rows = []
    for name in names:
        model = build(name)
        rows.append(
            {
                "model": name,
                "family": family(name),
                "parameters": parameters(model),
                "keras_parameters": keras_parameters(model),
                "multiply_adds": multiply_adds(model),
                "bytes": file_bytes(model, name),
            }
        )
    return pd.DataFrame(rows)
