"""Optimizers: what a step does with the gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fer_utils.data.faces import CLASSES
from fer_utils.training.recipe import Recipe

TITLES = {"adam": "Adam", "adamw": "AdamW", "muon": "Muon"}


class ConvMuon(torch.optim.Muon):
    """PyTorch's Muon, for convolutions in `channels_last` too: each is the matrix `(outputs, height * width * inputs)`.

    A step moves all singular directions of a matrix alike (Jordan et al. 2024, kellerjordan.github.io/posts/muon), by
    as much as AdamW would, so that AdamW's rates and decay hold (Liu et al. 2025, arXiv 2502.16982, section 2.2).
    """

    def __init__(self, weights: Sequence[Tensor], lr: float, weight_decay: float):
        self.weights = weights
        matrices = [nn.Parameter(_rows(weight.detach()).view(len(weight), -1)) for weight in weights]  # same memory
        super().__init__(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights by their gradients."""
        for weight, matrix in zip(self.weights, self.param_groups[0]["params"], strict=True):
            assert weight.grad is not None
            matrix.grad = _rows(weight.grad).reshape(len(weight), -1)
        super().step(closure)


def _rows(weight: Tensor) -> Tensor:
    """A weight with its inputs last, as they lie in memory."""
    return weight.movedim(1, -1)


def build_optimizers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """The optimizers that the recipe names, which share out the weights of a model among them."""
    muon = [p for p in model.parameters() if recipe.optimizer == "muon" and _mixes(p)]
    # Decay shrinks weights, not the scales and shifts of BatchNorm nor biases (He et al. 2019, arXiv 1812.01187, 3.1).
    weights = [p for p in model.parameters() if p.ndim > 1 and not any(p is other for other in muon)]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    adam = kind(groups, lr=rate, weight_decay=decay, fused=True)
    return [adam, ConvMuon(muon, rate, decay)] if muon else [adam]


def _mixes(parameter: nn.Parameter) -> bool:
    """Whether it is a matrix inside the net: neither the first layer, nor depthwise, nor the last."""
    return parameter.ndim > 1 and parameter.shape[1] > 1 and len(parameter) != len(CLASSES)
