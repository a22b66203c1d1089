import torch
import torch.nn.functional as F

from fer_utils.models.blocks import Depthwise


def test_a_strided_filter_is_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    layer = Depthwise(4, stride=2)
    x = torch.randn(2, 4, 12, 12, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, F.conv2d(x.float(), layer.weight, None, 2, 1, groups=4).bfloat16())
    found.sum().backward()
    assert layer.weight.grad is not None
    assert x.grad is not None


def test_without_a_stride_autocast_decides() -> None:
    torch.manual_seed(0)
    layer, x = Depthwise(4), torch.randn(2, 4, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer(x).dtype == torch.float32
