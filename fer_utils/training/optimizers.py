"""Optimizers: Muon for the inner weight matrices, Adam or AdamW for the rest."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fer_utils.training.recipe import Recipe


class Muon(torch.optim.Optimizer):
    """Muon: momentum whose update is orthogonalized by Newton-Schulz iterations.

    Jordan et al. 2024, kellerjordan.github.io/posts/muon: Nesterov momentum of 0.95 and five iterations. A convolution
    is the matrix `(outputs, height * width * inputs)`. Updates have the RMS of AdamW's, so its learning rates and
    weight decay apply (Liu et al. 2025, arXiv 2502.16982, section 2.2). `torch.optim.Muon` accepts no convolutions and
    always computes in bfloat16, which many CPUs emulate slowly.
    """

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float, precision: str = "float32"):
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay})
        self.dtype = getattr(torch, precision)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the weights."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].lerp_(weight.grad, 0.05)
                ahead = weight.grad.lerp(momentum, 0.95).movedim(1, -1)  # the memory order of channels_last
                update = orthogonalize(ahead.flatten(1).to(self.dtype)).view(ahead.shape).movedim(-1, 1)
                length = 0.2 * max(len(weight), weight[0].numel()) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * length)


def orthogonalize(matrix: Tensor) -> Tensor:
    """Bring all singular values to about 0.7 to 1.2 (Jordan's quintic polynomial)."""
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.T.contiguous() if len(matrix) > matrix.shape[1] else x


def build_optimizers(model: nn.Module, recipe: Recipe, precision: str = "float32") -> list[torch.optim.Optimizer]:
    """The recipe's optimizers, each for a part of the weights.

    Muon updates the inner matrices; AdamW the first and last layer, depthwise filters, biases and BatchNorm.
    """
    weights = [p for p in model.parameters() if p.ndim > 1]
    muon = [p for p in weights[:-1] if p.shape[1] > 1] if recipe.optimizer == "muon" else []
    chosen = set(map(id, muon))
    # No weight decay for BatchNorm and biases: He et al. 2019, arXiv 1812.01187, section 3.1.
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if id(p) not in chosen]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    adam = kind(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    return [adam, Muon(muon, recipe.learning_rate, recipe.weight_decay, precision)] if muon else [adam]
