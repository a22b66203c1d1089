"""Where a model is trained and read, and in which precision."""

import copy
import platform
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import joblib
import torch
from torch import Tensor, nn

from fer_utils.errors import FerError, unknown

DEVICES = ("auto", "cpu", "cuda")
# The environment of a study's processes. A step asks for the same memory again and again; glibc (others ignore this)
# gives large blocks back to the system, and then gets them page by page: mobilenet-46k spent 10 of 82 ms a step on it.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 34)}


def pick_device(name: str) -> torch.device:
    """The device for `auto` (a GPU where there is one), `cpu` or `cuda`."""
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise FerError("device 'cuda': PyTorch sees no GPU here. Take 'cpu' or 'auto', or install PyTorch with CUDA")
    device = torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # which has 10 bits of mantissa: accuracies are measured in float32
    return device


def cores() -> int:
    """The processor cores that this process may use, also where a container has a share of the machine's."""
    return joblib.cpu_count()


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the CPU's kind and the threads that a run uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    name = _cpu_capabilities().get("cpu_name", platform.machine())
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 in hardware, and gains by it: elsewhere, products in it take longer.

    Without such hardware they take ten times as long; on an Intel Xeon with AVX-512's bfloat16, but without AMX, 1.2 to
    1.4 times: a step of mobilenet-46k took 238 ms in bfloat16 and 203 in float32, one of compact-158k 356 and 247
    (batches of 64, one thread of a Xeon whose virtual machine hides AMX, PyTorch 2.13).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = _cpu_capabilities()
    intel = "Intel" in cpu.get("cpu_name", "")
    return bool(cpu.get("amx_bf16" if intel else "avx512_bf16"))


def precision(device: torch.device) -> str:
    """The precision to train in: `bfloat16` where the device gains by it, else `float32`.

    Every net of the zoo gains by it, since dense convolutions do at least two thirds of its work: mobilenet-46k took
    225 images a second in float32 and 310 in bfloat16 (a thread of an AMD EPYC).
    """
    return "bfloat16" if computes_bfloat16(device) else "float32"


def autocast(name: str, device: torch.device) -> AbstractContextManager:
    """The context that computes in this precision. No cast is kept, since a net uses each of its weights once."""
    return torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16", cache_enabled=False)


class Cast(nn.Module):
    """A net that computes in this precision and answers with float32 logits."""

    def __init__(self, net: nn.Module, precision: str, device: torch.device):
        super().__init__()
        self.net, self.precision, self.device = net, precision, device

    def forward(self, inputs: Tensor) -> Tensor:
        """What the net answers to `inputs`."""
        with autocast(self.precision, self.device):
            return self.net(inputs).float()


def recorded(net: Cast, inputs: Tensor) -> Cast:
    """The net; on a GPU its forward and backward are a CUDA graph each from now on, for inputs of this shape.

    The GPU is done with a layer of a small net before Python has launched the next; a graph is one launch. A net that
    cannot be recorded stays as it is, with a warning.
    """
    return _record(net, inputs) if inputs.device.type == "cuda" else net


def _record(net: Cast, inputs: Tensor) -> Cast:
    before = copy.deepcopy(net.state_dict())
    # The graphs keep the gradients' nodes of their warm-up, which ran on a stream of its own; on purpose, says PyTorch.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    try:
        torch.cuda.make_graphed_callables(net, (inputs,))
    except RuntimeError as error:
        warnings.warn(f"trains without a CUDA graph, more slowly, since none could be recorded: {error}", stacklevel=3)
    net.load_state_dict(before)  # the steps that warm it up have moved the means of BatchNorm
    return net


def _cpu_capabilities() -> Mapping[str, Any]:
    """What PyTorch knows of this CPU; nothing in releases that do not tell."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
