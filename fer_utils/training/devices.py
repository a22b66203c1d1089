"""Devices and precisions for training and evaluation."""

import functools
import platform
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import joblib
import torch

from fer_utils.errors import FerError, check_name

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("float32", "bfloat16")


def pick_device(name: str) -> torch.device:
    """The device called `cpu` or `cuda`; for `auto`, an NVIDIA GPU if available."""
    if check_name("device", name, DEVICES) == "cuda" and not torch.cuda.is_available():
        raise FerError("device 'cuda': PyTorch finds no GPU. Use 'cpu' or 'auto', or install PyTorch with CUDA")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def cores() -> int:
    """CPU cores available to this process, by its affinity and container limits."""
    return joblib.cpu_count()


def device_name(device: torch.device) -> str:
    """The GPU's name, or the CPU's with the number of threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    name = _cpu_capabilities().get("cpu_name", platform.machine())
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


@functools.cache
def hardware(device: torch.device) -> str:
    """The GPU or CPU model. Devices with equal names train at the same speed."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    has = _cpu_capabilities()
    vectors = [name for name in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if has.get(name)]
    return " ".join([_cpu_model(), *vectors])


def _cpu_model() -> str:
    """The CPU's name, family and model number; virtual machines share names."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return " ".join(about[key] for key in ("model name", "cpu family", "model") if key in about) or platform.machine()


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on this device.

    True for CPUs with AMX (Intel) or AVX-512 BF16 (AMD). Intel CPUs with AVX-512 BF16 but no AMX are slower in it.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = _cpu_capabilities()
    return bool(cpu.get("amx_bf16" if "Intel" in cpu.get("cpu_name", "") else "avx512_bf16"))


def fastest_precision(device: torch.device) -> str:
    """`bfloat16` if the device is faster in it, else `float32`."""
    return "bfloat16" if computes_bfloat16(device) else "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """An autocast context for this precision, without a cache: weights are used once."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Disable TF32 (10-bit mantissa) in the convolutions of a GPU."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _cpu_capabilities() -> Mapping[str, Any]:
    """PyTorch's information about this CPU; empty in releases that have none."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
