import copy
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fer_utils.models.mirror import MirrorBatchNorm, MirrorConv, MirrorConvBN, mirrored
from fer_utils.models.weights import open_model
from fer_utils.models.zoo import MODELS, family

MIRRORED = [name for name in MODELS if family(name) in ("compact", "teacher")]
LAYERS = {
    "of faces": {"inputs": 1, "outputs": 8},
    "5x5 with a stride, of faces": {"inputs": 1, "outputs": 8, "kernel_size": 5, "stride": 2},
    "3x3": {"inputs": 8, "outputs": 12},
    "3x3 with a stride": {"inputs": 8, "outputs": 12, "stride": 2},
    "1x1": {"inputs": 8, "outputs": 12, "kernel_size": 1},
    "depthwise": {"inputs": 12, "outputs": 12, "depthwise": True},
    "depthwise with a stride": {"inputs": 12, "outputs": 12, "stride": 2, "depthwise": True},
}


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
    net = open_model(name).net  # as bundled: one that has hardly learned says nearly the same of all faces
    with torch.inference_mode():
        torch.testing.assert_close(net(faces.flip(-1)), net(faces))
        assert not torch.allclose(net(faces.flip(-2)), net(faces), atol=1e-3)  # it sees which way is up


@pytest.mark.parametrize("shape", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("side_px", [11, 12])
def test_a_layer_mirrors_its_maps_with_the_face(shape: dict[str, Any], side_px: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, shape["inputs"], side_px, side_px)
    layer = moved(MirrorConvBN(**shape), x)
    with torch.inference_mode():
        maps = layer(x)
        small_px = -(-side_px // shape.get("stride", 1))
        assert maps.shape == (4, shape["outputs"], small_px, small_px)
        torch.testing.assert_close(layer(mirrored(x)), mirrored(maps))


@pytest.mark.parametrize("shape", LAYERS.values(), ids=LAYERS)
def test_a_layer_is_the_same_in_a_file(shape: dict[str, Any]) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, shape["inputs"], 12, 12)
    layer = moved(MirrorConvBN(**shape), x)
    with torch.inference_mode():
        expected = layer(x)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    with torch.inference_mode():
        torch.testing.assert_close(program.module()(x), expected)
    (convolution,) = [node for node in program.graph.nodes if node.target is torch.ops.aten.conv2d.default]
    if "depthwise" not in shape:
        assert convolution.args[1].op == "placeholder"  # the weights as they are, once


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
    with pytest.raises(ValueError, match="must be even, odd, and 1 or 2"):
        MirrorConv(8, outputs, kernel_size, stride=stride)


@pytest.mark.parametrize(("outputs", "kernel_size"), [(8, 3), (6, 5)])
def test_a_depthwise_layer_has_a_filter_of_3x3_a_channel(outputs: int, kernel_size: int) -> None:
    with pytest.raises(ValueError, match="must be equal, kernel_size 3"):
        MirrorConv(6, outputs, kernel_size, depthwise=True)


def test_a_depthwise_layer_reads_each_channel_by_itself() -> None:
    x = torch.randn(1, 6, 12, 12)
    layer = MirrorConv(6, 6, depthwise=True)
    alone = x.clone()
    alone[:, :4] = 0
    alone[:, 5] = 0
    torch.testing.assert_close(layer(alone)[:, 4], layer(x)[:, 4])
    assert layer.weight.numel() == 3 * 9  # a filter and its mirror image are one
