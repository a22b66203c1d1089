import pytest
import torch
from torch import nn

from fer_utils.models.zoo import HOMEWORK, build
from fer_utils.training.optimizers import ConvMuon, build_optimizers
from fer_utils.training.recipe import recipe


def moved(name: str, number: int) -> list[bool]:
    """Which weights a step of one of a model's two optimizers moves."""
    model = build(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = [p.detach().clone() for p in model.parameters()]
    model(torch.randn(8, 1, 48, 48)).square().sum().backward()
    adam, muon = build_optimizers(model, recipe("full"))
    (adam, muon)[number].step()
    return [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]


def test_a_step_moves_every_singular_direction_of_a_convolution_alike() -> None:
    conv = nn.Conv2d(16, 8, 3, bias=False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = conv.weight.detach().clone()
    conv.weight.grad = torch.randn_like(conv.weight) * torch.logspace(-2, 2, 16).view(1, 16, 1, 1)
    ConvMuon([conv.weight], lr=0.01, weight_decay=0.0).step()
    moved = torch.linalg.svdvals((conv.weight.detach() - before).flatten(1)) / (0.01 * 0.2 * 144**0.5)
    # Five steps of Newton-Schulz leave singular values between about 0.7 and 1.2 (Jordan et al. 2024).
    assert moved.min() > 0.6
    assert moved.max() < 1.3


def test_a_convolution_of_one_pixel_moves_as_pytorchs_own_muon_moves_the_matrix() -> None:
    conv, gradient = nn.Conv2d(12, 6, 1, bias=False), torch.randn(6, 12)
    matrix = nn.Parameter(conv.weight.detach().flatten(1).clone())
    conv.weight.grad, matrix.grad = gradient.view(6, 12, 1, 1).clone(), gradient.clone()
    ConvMuon([conv.weight], lr=0.01, weight_decay=0.1).step()
    torch.optim.Muon([matrix], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw").step()
    assert torch.equal(conv.weight.flatten(1), matrix)


@pytest.mark.parametrize("name", [*HOMEWORK, "compact-46k"])
def test_the_optimizers_share_out_all_weights(name: str) -> None:
    by_adam, by_muon = (moved(name, number) for number in range(2))
    assert all(one != other for one, other in zip(by_adam, by_muon, strict=True))
    inside = [p.ndim > 1 and p.shape[1] > 1 and len(p) != 7 for p in build(name).parameters()]
    assert by_muon == inside


@pytest.mark.parametrize(("name", "kind"), [("original", torch.optim.Adam), ("quick", torch.optim.AdamW)])
def test_other_recipes_have_one_optimizer(name: str, kind: type) -> None:
    (optimizer,) = build_optimizers(build("cnn-48k"), recipe(name))
    assert type(optimizer) is kind
