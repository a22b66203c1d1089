import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from fer_utils.models.mirror import MirrorBatchNorm, MirrorConv, MirrorConvBN, mirrored
from fer_utils.models.zoo import MODELS, build, family

MIRRORED = [name for name in MODELS if family(name) in ("compact", "teacher")]
LAYERS = [(1, 8, 3, 1), (1, 8, 5, 2), (8, 12, 3, 1), (8, 12, 3, 2), (8, 12, 1, 1)]


def moved(model: nn.Module, inputs: Tensor) -> nn.Module:
    """The model after a few steps, which have given every BatchNorm values of its own."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        model.train()(inputs).square().mean().backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize(
    ("name", "side_px"), [*product(MIRRORED, (32, 48)), ("compact-46k", 44), ("compact-46k", 47), ("compact-46k", 50)]
)
def test_a_face_and_its_mirror_image_get_the_same_answer(name: str, side_px: int) -> None:
    torch.manual_seed(0)
    faces = torch.randn(8, 1, side_px, side_px)
    net = moved(build(name), faces)
    with torch.inference_mode():
        torch.testing.assert_close(net(faces.flip(-1)), net(faces))
        assert not torch.allclose(net(faces.flip(-2)), net(faces), atol=1e-3)  # it sees which way is up


@pytest.mark.parametrize(("inputs", "outputs", "kernel_size", "stride"), LAYERS)
@pytest.mark.parametrize("side_px", [11, 12])
def test_a_layer_mirrors_its_maps_with_the_face(
    inputs: int, outputs: int, kernel_size: int, stride: int, side_px: int
) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, inputs, side_px, side_px)
    layer = moved(MirrorConvBN(inputs, outputs, kernel_size, stride=stride), x)
    with torch.inference_mode():
        maps = layer(x)
        assert maps.shape == (4, outputs, -(-side_px // stride), -(-side_px // stride))
        torch.testing.assert_close(layer(mirrored(x)), mirrored(maps))


@pytest.mark.parametrize(("inputs", "outputs", "kernel_size", "stride"), LAYERS)
def test_a_layer_is_the_same_in_a_file(inputs: int, outputs: int, kernel_size: int, stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, inputs, 12, 12)
    layer = moved(MirrorConvBN(inputs, outputs, kernel_size, stride=stride), x)
    with torch.inference_mode():
        expected = layer(x)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    with torch.inference_mode():
        torch.testing.assert_close(program.module()(x), expected)
    weights = [node for node in program.graph.nodes if node.target is torch.ops.aten.conv2d.default]
    assert weights[0].args[1].op == "placeholder"  # as they are, so that they can be rounded to 8 bits


def test_batchnorm_keeps_the_mean_of_what_a_features_two_halves_are() -> None:
    torch.manual_seed(0)
    x = (torch.randn(8, 4, 6, 6) + 1.0) * torch.arange(1.0, 5.0).view(4, 1, 1)
    norm, plain = MirrorBatchNorm(4), nn.BatchNorm2d(4)
    norm.momentum = 1.0
    torch.testing.assert_close(norm(x), plain(x))  # when training, each half by its own
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)).view(2, 2).mean(0))
    torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)).view(2, 2).mean(0))


def test_batchnorm_without_momentum_keeps_the_mean_over_all_batches() -> None:
    torch.manual_seed(0)
    norm, plain = MirrorBatchNorm(4), nn.BatchNorm2d(4, momentum=None)
    norm.momentum = None
    for x in torch.randn(3, 8, 4, 6, 6) * torch.arange(1.0, 4.0).view(3, 1, 1, 1, 1):
        norm(x)
        plain(x)
    assert plain.running_mean is not None
    assert plain.running_var is not None
    torch.testing.assert_close(norm.running_mean, plain.running_mean.view(2, 2).mean(0))
    torch.testing.assert_close(norm.running_var, plain.running_var.view(2, 2).mean(0))
    before = copy.deepcopy(norm.state_dict())
    norm.eval()(x)
    torch.testing.assert_close(norm.state_dict(), before)


@pytest.mark.parametrize(("outputs", "kernel_size", "stride"), [(7, 3, 1), (8, 4, 1), (8, 3, 4)])
def test_what_has_no_mirror_image_is_refused(outputs: int, kernel_size: int, stride: int) -> None:
    with pytest.raises(ValueError, match="allowed are even, odd, 1 or 2"):
        MirrorConv(8, outputs, kernel_size, stride=stride)
