import pytest
import torch
from torch import nn

from fer_utils.models.zoo import build
from fer_utils.training import devices
from fer_utils.training.devices import Cast, precision, recorded

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
    assert precision(CPU) == expected


def training_net() -> Cast:
    return Cast(build("compact-46k").train(), "float32", CPU)


def test_a_cast_net_answers_in_float32() -> None:
    assert Cast(build("cnn-48k").eval(), "bfloat16", CPU)(torch.zeros(2, 1, 48, 48)).dtype == torch.float32


def test_recording_leaves_weights_and_means_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def warmed_up(net: nn.Module, arguments: tuple[torch.Tensor, ...]) -> nn.Module:
        for _ in range(4):
            net(*arguments)
        return net

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", warmed_up)
    net = training_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert devices._record(net, torch.rand(4, 1, 48, 48)) is net
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_a_net_that_cannot_be_recorded_trains_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuses)
    net = training_net()
    with pytest.warns(UserWarning, match="without a CUDA graph, more slowly, since .* not permitted when stream"):
        assert devices._record(net, torch.rand(4, 1, 48, 48)) is net


def test_a_cpu_records_nothing() -> None:
    net = training_net()
    assert recorded(net, torch.zeros(4, 1, 48, 48)) is net


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("model", ["compact-46k", "mobilenet-46k"])
def test_a_recorded_net_steps_as_the_net_itself(model: str) -> None:
    cuda = torch.device("cuda")
    inputs, found = torch.randn(32, 1, 48, 48, device=cuda), []
    for wrap in (lambda net: net, lambda net: recorded(net, torch.zeros_like(inputs))):
        inner = build(model).to(cuda).train()
        for layer in (layer for layer in inner.modules() if isinstance(layer, nn.Dropout)):
            layer.p = 0.0
        # Not Adam, whose first steps are the signs of the gradients, so that a rounding becomes a whole step.
        net, sgd = wrap(Cast(inner, "float32", cuda)), torch.optim.SGD(inner.parameters(), 1e-4)
        for _ in range(3):
            sgd.zero_grad()
            net(inputs).square().sum().backward()
            sgd.step()
        found.append({name: tensor.cpu() for name, tensor in inner.state_dict().items()})
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, atol=1e-3, rtol=1e-3)
