import pytest
import torch
from torch import nn

from fer_utils.models.zoo import MODELS, build
from fer_utils.training.optimizers import Muon, build_optimizers
from fer_utils.training.recipe import named_recipe


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_a_step_moves_every_singular_direction_of_a_convolution_alike(precision: str) -> None:
    conv = nn.Conv2d(16, 8, 3, bias=False)
    before = conv.weight.detach().clone()
    conv.weight.grad = torch.randn_like(conv.weight) * torch.logspace(-2, 2, 16).view(1, 16, 1, 1)
    Muon([conv.weight], lr=0.01, weight_decay=0.0, precision=precision).step()
    moved = torch.linalg.svdvals((conv.weight.detach() - before).flatten(1)) / (0.01 * 0.2 * 144**0.5)
    assert moved.min() > 0.6
    assert moved.max() < 1.3


@pytest.mark.parametrize("shape", [(6, 12), (12, 6), (8, 8)])
def test_a_matrix_moves_as_pytorchs_own_muon_moves_it(shape: tuple[int, int]) -> None:
    conv, matrix = nn.Parameter(torch.randn(*shape, 1, 1)), nn.Parameter(torch.zeros(shape))
    matrix.data.copy_(conv.data.flatten(1))
    ours = Muon([conv], lr=0.01, weight_decay=0.1, precision="bfloat16")  # as PyTorch's always is
    other = torch.optim.Muon([matrix], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        matrix.grad = torch.randn(shape)
        conv.grad = matrix.grad.view(*shape, 1, 1).clone()
        ours.step()
        other.step()
    torch.testing.assert_close(conv.flatten(1), matrix)


@pytest.mark.parametrize("name", MODELS)
def test_muon_has_the_matrices_inside_a_net_and_adamw_the_rest(name: str) -> None:
    model = build(name)
    adam, muon = (
        [p for g in o.param_groups for p in g["params"]] for o in build_optimizers(model, named_recipe("full"))
    )
    assert sorted(map(id, [*adam, *muon])) == sorted(map(id, model.parameters()))
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    inside = [m for m in layers[1:-1] if not (isinstance(m, nn.Conv2d) and m.groups > 1)]
    assert set(map(id, muon)) == {id(m.weight) for m in inside}


@pytest.mark.parametrize(("name", "kind"), [("original", torch.optim.Adam), ("quick", torch.optim.AdamW)])
def test_other_recipes_have_one_optimizer(name: str, kind: type) -> None:
    (optimizer,) = build_optimizers(build("cnn-48k"), named_recipe(name))
    assert type(optimizer) is kind
