import pytest
import torch
from torch import nn

from fer_utils.models.blocks import ConvBN, ConvDW
from fer_utils.models.zoo import build
from fer_utils.training import devices
from fer_utils.training.devices import precision

CPU = torch.device("cpu")
SEPARABLE = nn.Sequential(ConvBN(1, 8), ConvDW(8, 32), ConvDW(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_precision_belongs_to_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cpu_capabilities", lambda: {"avx512_bf16": True})
    assert precision(build("cnn-48k"), CPU) == "bfloat16"
    assert precision(build("mobilenet-46k"), CPU) == "bfloat16"  # its dense stem does three quarters of the work
    assert precision(SEPARABLE, CPU) == "float32"
    monkeypatch.setattr(devices, "_cpu_capabilities", dict)
    assert precision(build("cnn-48k"), CPU) == "float32"
