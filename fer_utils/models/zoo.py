"""The model zoo: architectures by name, their layers and their costs."""

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

# The models of the original report. It specifies mobilenet-46k and the VGG; the others are reconstructions with exactly
# the reported number of parameters.
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
    # The number in a name is an upper limit: the size of the network that it is compared with.
    "compact-46k": partial(compact, [(64, 4), (88, 3), (96, 3)], head=112, separable=True),
    "compact-58k": partial(compact, [(64, 4), (96, 4), (108, 3)], head=120, separable=True),
    "compact-103k": partial(compact, [(80, 4), (120, 4), (144, 4)], head=160, separable=True),
    "compact-158k": partial(compact, [(48, 4), (64, 3), (88, 2)], head=176),
    "compact-900k": partial(compact, [(48, 4), (112, 4), (192, 4)], head=512),
    "teacher-1.4m": partial(resnet, (64, 128, 256), blocks=2),
    # Published networks, at comparable sizes.
    "minixception-57k": mini_xception,
    "mobilenetv2-158k": partial(mobilenet_v2, 0.247),
    # Parameter-matched networks for the ablation of question 4.
    **{f"{name}-{thousands(n)}": partial(matched, name, n) for name in MATCHED for n in BUDGETS},
    **{f"narrow8-{thousands(size)}": partial(narrow, n) for n, size in BUDGETS.items()},
}


def check_model(name: str) -> str:
    """Return the name of a model of the zoo; `InputError` for any other."""
    return check_name("model", name, MODELS, "`fer models` lists them")


def family(name: str) -> str:
    """The first part of a model's name, such as `mobilenet`."""
    return name.partition("-")[0]


def build(name: str, seed: int = 0, classes: int = len(CLASSES)) -> nn.Sequential:
    """Initialize a model on the CPU: `(N, 1, 48, 48)` -> logits `(N, classes)`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reset a GPU's generator
        return MODELS[check_model(name)](classes=classes)


def parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def keras_parameters(model: nn.Module) -> int:
    """The number of parameters as in Keras: with the running BatchNorm statistics."""
    return parameters(model) + sum(b.numel() for b in model.buffers() if b.is_floating_point())


def takes_any_size(model: nn.Sequential) -> bool:
    """Whether a model accepts other image sizes: it has an adaptive average pool."""
    return any(isinstance(layer, nn.AdaptiveAvgPool2d) for layer in model)


def multiply_adds(model: nn.Module) -> int:
    """MACs per face, including those with zeros in padded borders and padded filters."""
    shapes = copy.deepcopy(model).to("meta").eval()  # counts without computing
    for layer in shapes.modules():  # these have no MACs, and would take the counter half of its time
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.ReLU):
            layer.forward = nn.Identity().forward  # type: ignore[method-assign]
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        shapes(torch.zeros(1, 1, SIDE_PX, SIDE_PX, device="meta"))
    return counter.get_total_flops() // 2


def layers(name: str) -> pd.DataFrame:
    """The layers of a model: description, output shape for one face, parameters."""
    x, rows = torch.zeros(1, 1, SIDE_PX, SIDE_PX), []
    with torch.inference_mode():
        for layer in build(name).eval():
            x = layer(x)
            rows.append((describe(layer), "×".join(map(str, x.shape[1:])), parameters(layer)))
    return pd.DataFrame(rows, columns=["layer", "output", "parameters"])


def describe(layer: nn.Module) -> str:
    """Describe a layer by its type and widths."""
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
    """Table of models: parameters (also as in Keras), MACs, bytes of a float16 file."""
    from fer_utils.models.weights import file_bytes

    models = ((name, build(name)) for name in names)
    rows = [(n, family(n), parameters(m), keras_parameters(m), multiply_adds(m), file_bytes(m, n)) for n, m in models]
    return pd.DataFrame(rows, columns=["model", "family", "parameters", "keras_parameters", "multiply_adds", "bytes"])
