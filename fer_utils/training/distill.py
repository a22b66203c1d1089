"""Distillation: what trained nets answer to the faces of an epoch, for a smaller net to learn.

The teachers and the student see the same cut of a face, and the student trains long on many cuts (Beyer et al. 2022,
arXiv 2106.05237). A cut hangs on the number of its view alone, so that the teachers look once, and their logits serve
every student and every epoch that shows the view again (Shen and Xing 2022, arXiv 2112.01528).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor, nn
from tqdm import tqdm

from fer_utils.data.augment import VIEW_VERSION, Augmentation, View, draw_view, look
from fer_utils.data.faces import CLASSES, FaceSet
from fer_utils.files import whole
from fer_utils.models import weights
from fer_utils.training.devices import autocast, precision
from fer_utils.training.evaluate import EVALUATION_BATCH
from fer_utils.training.recipe import Recipe, identity


def digest(teacher: str) -> str:
    """A hash of a teacher's weights: the same net has the same wherever it lies."""
    return hashlib.sha256(weights.locate(teacher).read_bytes()).hexdigest()[:16]


def title(teacher: str) -> str:
    """A teacher for people: its model, and the beginning of its digest."""
    return f"{weights.open_model(teacher)[0]}@{digest(teacher)[:8]}"


def view_of(images: Tensor, augmentation: Augmentation, number: int) -> View:
    """The view with this number of the images `(N, 48, 48)`: for all students the same, and without flips."""
    # Drawn on the CPU, since GPUs of two kinds draw different numbers from one seed.
    there = images.new_empty(images.shape, device="cpu")  # only their number and size count
    return draw_view(there, augmentation, torch.Generator().manual_seed(number)).to(images.device)


def teach(teachers: Sequence[str], training: FaceSet, recipe: Recipe, device: torch.device, folder: Path) -> Tensor:
    """The mean logits of the teachers on every view that the recipe shows: float16 `(views, N, 7)` on the CPU.

    A teacher's logits on a view are a file in `folder`; those that are there are not computed again.
    """
    views = min(recipe.views, recipe.epochs)
    mean = torch.zeros(views, len(training), len(CLASSES))
    with tqdm(total=views * len(teachers), desc="the teachers look", unit="view", leave=False, disable=None) as bar:
        for teacher in teachers:
            for number, answers in enumerate(_answers(teacher, training, recipe.augmentation, views, device, folder)):
                mean[number] += answers.float() / len(teachers)
                bar.update()
    return mean.half()


def _answers(
    teacher: str, training: FaceSet, augmentation: Augmentation, views: int, device: torch.device, folder: Path
) -> Iterator[Tensor]:
    """One teacher's logits, float16 `(N, 7)`, on one view after the other."""
    _, net = weights.open_model(teacher)
    images = torch.from_numpy(training.images).to(device)
    # A view is drawn row by row, so that the order of the faces counts; and each kind of device rounds its own way.
    decides = [VIEW_VERSION, digest(teacher), training.order, identity(augmentation), device.type, precision(device)]
    kept = folder / hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    kept.mkdir(parents=True, exist_ok=True)
    for number in range(views):
        file = kept / f"view-{number:03}.npy"
        with FileLock(kept / ".lock"):
            if not file.exists():
                found = _logits(net, images, view_of(images, augmentation, number), device)
                with whole(file) as draft:
                    np.save(draft, found.half().cpu().numpy())
        yield torch.from_numpy(np.load(file))


def distillation_loss(outputs: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """The Kullback-Leibler divergence of softened answers `(N, 7)`, times temperature squared.

    Hinton et al. 2015, arXiv 1503.02531, section 2.
    """
    student, teacher = F.log_softmax(outputs / temperature, 1), F.log_softmax(answers / temperature, 1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


@torch.inference_mode()
def _logits(net: nn.Module, images: Tensor, view: View, device: torch.device) -> Tensor:
    net = net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    with autocast(precision(device), device):
        batches = torch.arange(len(images), device=device).split(EVALUATION_BATCH[device.type])
        return torch.cat([net(look(images, view, rows, images.shape[-1])).float() for rows in batches])
