import pytest
import torch

from fer_utils.training import devices
from fer_utils.training.devices import exact_float32, fastest_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, "bfloat16"),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, "float32"),  # has it, and is slower in it
        ({"cpu_name": "AMD EPYC"}, "float32"),
        ({}, "float32"),  # a PyTorch that does not tell
    ],
)
def test_bfloat16_where_the_cpu_gains_by_it(
    cpu: dict[str, str | bool], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu_capabilities", lambda: cpu)
    assert fastest_precision(CPU) == expected


def test_float32_on_a_gpu_is_not_rounded_to_tf32_and_the_setting_comes_back() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact_float32():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_hardware_tells_kinds_of_cpus_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = devices.hardware.__wrapped__(CPU)
    monkeypatch.setattr(devices, "_cpu_capabilities", lambda: {"avx2": True, "amx_bf16": True})
    assert devices.hardware.__wrapped__(CPU) != plain
    assert devices.hardware.__wrapped__(CPU).endswith("avx2 amx_bf16")
