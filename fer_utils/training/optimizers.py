"""Optimizers: what a step does with the gradients."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fer_utils.training.devices import computes_bfloat16
from fer_utils.training.recipe import Recipe


class Muon(torch.optim.Optimizer):
    """Momentum of which all singular directions are made alike: what is rare in the gradients moves weights as well.

    Jordan et al. 2024, kellerjordan.github.io/posts/muon: Nesterov momentum of 0.95, and five steps of Newton-Schulz. A
    convolution is the matrix `(outputs, height * width * inputs)`. An update is as long as one of AdamW would be, so
    that AdamW's rates and decay hold (Liu et al. 2025, arXiv 2502.16982, section 2.2). `torch.optim.Muon` does the
    same, but takes no convolutions, and computes in bfloat16 also where that takes ten times as long.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float):
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights by their gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].lerp_(weight.grad, 0.05)
                ahead = weight.grad.lerp(momentum, 0.95).movedim(1, -1)  # as channels_last has it in memory
                moved = alike(ahead.flatten(1)).view(ahead.shape).movedim(-1, 1)
                length = 0.2 * max(len(weight), weight[0].numel()) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(moved, alpha=-group["lr"] * length)


def alike(matrix: Tensor) -> Tensor:
    """The matrix with its singular values between about 0.7 and 1.2, by Jordan's polynomial of the fifth degree."""
    x = matrix.bfloat16() if computes_bfloat16(matrix.device) else matrix
    x = x.T if len(x) > x.shape[1] else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.T.contiguous() if len(matrix) > matrix.shape[1] else x


def build_optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers that the recipe names, which share out the weights of a model among them.

    Muon has the matrices inside a net: neither its first layer, nor its last, nor depthwise filters.
    """
    weights = [p for p in model.parameters() if p.ndim > 1]
    muon = [p for p in weights[:-1] if p.shape[1] > 1] if recipe.optimizer == "muon" else []
    chosen = set(map(id, muon))
    # Decay shrinks weights, not the scales and shifts of BatchNorm nor biases (He et al. 2019, arXiv 1812.01187, 3.1).
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if id(p) not in chosen]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    adam = kind(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    return [adam, Muon(muon, recipe.learning_rate, recipe.weight_decay)] if muon else [adam]
