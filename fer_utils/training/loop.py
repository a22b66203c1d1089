"""The training loop, in the order in which things happen."""

import copy
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import get_ema_multi_avg_fn, update_bn

from fer_utils.data.augment import View, draw_view, flipped, look, shuffled, to_input
from fer_utils.data.faces import FaceSet
from fer_utils.errors import FerError
from fer_utils.models import zoo
from fer_utils.training.devices import Cast, autocast, precision, recorded
from fer_utils.training.distill import distillation_loss, view_of
from fer_utils.training.evaluate import EVALUATION_BATCH, logits
from fer_utils.training.optimizers import build_optimizers
from fer_utils.training.recipe import Recipe


def train(
    model: nn.Sequential,
    training: FaceSet,
    validation: FaceSet,
    recipe: Recipe,
    seed: int,
    device: torch.device,
    state: dict[str, Any] | None = None,
    teaching: Tensor | None = None,
) -> Iterator[dict[str, Any]]:
    """Train `model` and yield after every epoch the state that `train` takes to go on from there.

    A state holds `epoch` (the number finished), `history` (one dict an epoch), `kept` (the weights that the recipe
    would keep so far), and what else the next epoch depends on. All chance of an epoch is drawn from `seed` and its
    number, so that going on from a state gives what not stopping would have given. With `teaching`, the teachers'
    logits `(views, N, 7)` that `distill.teach` gives, they take the place of the labels. Save a state, or read it,
    before the next is asked for: its tensors are those that are trained. Raises `FerError` on a loss that is not
    finite.
    """
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not recipe.dropout:
        turn_off_dropout(model)
    average = copy.deepcopy(model) if recipe.averaging else model
    averages, values = _floats(average), _floats(model)
    images, labels = (torch.from_numpy(array).to(device) for array in (training.images, training.labels))
    held_out, held_out_labels = (torch.from_numpy(array).to(device) for array in (validation.images, validation.labels))
    cast = precision(device) if state is None else state["precision"]  # also on another machine
    nets: dict[int, nn.Module] = {}  # by the side of the faces
    size = min(recipe.batch_size, len(images))
    steps = len(images) // size
    optimizers = build_optimizers(model, recipe)
    schedules = [_schedule(optimizer, recipe, steps) for optimizer in optimizers]
    done, history, kept, best = 0, [], None, -1.0
    if state is not None:
        done, history, kept, best = state["epoch"], list(state["history"]), state["kept"], state["best"]
        model.load_state_dict(state["model"])
        for optimizer, found in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(found)
        for schedule, found in zip(schedules, state["schedules"], strict=True):
            schedule.load_state_dict(found)
        if average is not model:
            average.load_state_dict(state["average"])

    for epoch in range(done + 1, recipe.epochs + 1):
        start = time.perf_counter()
        epoch_seed = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
        generator = torch.Generator(device).manual_seed(epoch_seed)
        side_px = recipe.side_px(epoch) if zoo.takes_any_size(model) else images.shape[-1]
        model.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            if side_px not in nets:
                example = torch.zeros(size, 1, side_px, side_px, device=device)
                nets[side_px] = recorded(Cast(model, cast, device), example)
            torch.manual_seed(epoch_seed)  # for dropout
            losses = torch.zeros(steps, device=device)
            view, taught = _view(images, recipe, epoch, generator, teaching)
            for step, rows in enumerate(shuffled(len(images), size, generator)):
                outputs = nets[side_px](look(images, view, rows, side_px))
                if taught is None:
                    loss = F.cross_entropy(outputs, labels[rows], label_smoothing=recipe.label_smoothing)
                else:
                    loss = distillation_loss(outputs, taught[rows], recipe.temperature)
                model.zero_grad()
                loss.backward()
                for optimizer, schedule in zip(optimizers, schedules, strict=True):
                    optimizer.step()
                    schedule.step()
                losses[step] = loss.detach()
                if recipe.averaging:  # AveragedModel would look at its counter, and stop a GPU's queue
                    decay = _decay(recipe.averaging, (epoch - 1) * steps + step)
                    get_ema_multi_avg_fn(decay)(averages, values, 0)
                if device.type == "cpu":  # on a GPU a look at every loss would stop the queue
                    _check_finite(losses[: step + 1], epoch)
            _check_finite(losses, epoch)

        model.eval()
        average.eval()
        with autocast(cast, device):
            found = logits(average, held_out)
        accuracy = float((found.argmax(1) == held_out_labels).float().mean())
        history.append(
            {
                "epoch": epoch,
                "learning_rate": schedules[0].get_last_lr()[0],
                "training_loss": float(losses.mean()),
                "validation_loss": float(F.cross_entropy(found, held_out_labels)),
                "validation_accuracy": accuracy,
                "seconds": time.perf_counter() - start,
            }
        )
        if recipe.keep == "last" or accuracy > best:
            best, kept = accuracy, copy.deepcopy(average.state_dict())
        yield {
            "epoch": epoch,
            "history": history,
            "kept": kept,
            "best": best,
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "schedules": [schedule.state_dict() for schedule in schedules],
            "precision": cast,
        }


def measure_batchnorm(model: nn.Sequential, training: FaceSet) -> None:
    """Take the means and variances of a trained model's BatchNorms anew, from the training faces as they are.

    Those of training are of faces that were turned and scaled, and so are smoother than a test's: in the first layer
    of mobilenet-46k the variance of faces as they are is 1.17 times as large. Wu and Johnson 2021, arXiv 2105.07576,
    sections 3 and 5.
    """
    turn_off_dropout(model)
    images = torch.from_numpy(training.images).to(next(model.parameters()).device)
    rows = shuffled(len(images), EVALUATION_BATCH[images.device.type], torch.Generator(images.device).manual_seed(0))
    update_bn((to_input(images[batch]) for batch in rows), model)


def _view(
    images: Tensor, recipe: Recipe, epoch: int, generator: torch.Generator, teaching: Tensor | None
) -> tuple[View, Tensor | None]:
    """How an epoch shows the faces, and what the teachers answered to that: they saw it before the flip."""
    if teaching is None:
        view, taught = draw_view(images, recipe.augmentation, generator), None
    else:
        number = (epoch - 1) % len(teaching)
        view, taught = view_of(images, recipe.augmentation, number), teaching[number].to(images.device).float()
    return flipped(view, generator), taught


def turn_off_dropout(model: nn.Module) -> None:
    """Have a model's dropout let everything through."""
    for layer in (layer for layer in model.modules() if isinstance(layer, nn.Dropout)):
        layer.p = 0.0


def _decay(averaging: float, step: int) -> float:
    """The share of the average that a step, counted from 0, leaves: less at first, to forget the first weights."""
    return min(averaging, (1 + step) / (10 + step))


def _floats(model: nn.Module) -> list[Tensor]:
    """The tensors that are averaged: weights, and the means and variances of BatchNorm."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]


def _schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    if recipe.schedule == "constant":
        return ConstantLR(optimizer, factor=1.0, total_iters=0)
    # Smith and Topin 2017, arXiv 1708.07120. PyTorch's cycle divides by zero where it has 4 steps.
    # Muon's momentum is not cycled, nor that of AdamW beside it: it was measured so.
    total_steps, cycled = max(recipe.epochs * steps + 1, 5), recipe.optimizer != "muon"
    return OneCycleLR(optimizer, recipe.learning_rate, total_steps, pct_start=0.25, cycle_momentum=cycled)


def _check_finite(losses: Tensor, epoch: int) -> None:
    finite = torch.isfinite(losses)
    if not finite.all():
        raise FerError(
            f"the loss is no longer finite in epoch {epoch}, step {int(finite.int().argmin()) + 1}: the learning rate "
            "is too high for this model and data. Take another recipe, or look at the data with `fer data`"
        )
