"""Distillation: what trained nets answer to the faces of an epoch, for a smaller net to learn.

The teachers and the student see the same cut of a face, and the student trains long on many cuts (Beyer et al. 2022,
arXiv 2106.05237). A cut hangs on the number of its view alone, so that the teachers look once, and their logits serve
every student and every epoch that shows the view again (Shen and Xing 2022, arXiv 2112.01528).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor, nn

from fer_utils.data.augment import Augmentation, View, draw_view, look
from fer_utils.data.faces import FaceSet
from fer_utils.errors import InputError
from fer_utils.files import whole
from fer_utils.models import weights
from fer_utils.training.devices import autocast, precision
from fer_utils.training.evaluate import EVALUATION_BATCH
from fer_utils.training.recipe import Recipe, identity


def weights_file(teacher: str) -> Path:
    """The file of weights that a teacher is: the folder of a finished run, a file, or a model that ships."""
    path = Path(teacher)
    if path.is_dir():
        if not (path / "run.json").exists():
            raise InputError(f"teacher {teacher}: this run is not finished; a teacher is trained first")
        return path / "weights.safetensors"
    return path if path.exists() else weights.shipped(teacher)


def digest(teacher: str) -> str:
    """A hash of a teacher's weights: the same net has the same wherever it lies."""
    return hashlib.sha256(weights_file(teacher).read_bytes()).hexdigest()[:16]


def view_of(images: Tensor, augmentation: Augmentation, number: int) -> View:
    """The view with this number of the images `(N, 48, 48)`: for all students the same, and without flips."""
    generator = torch.Generator(images.device).manual_seed(number)
    return draw_view(images, augmentation, generator)


def teach(
    teachers: Sequence[str],
    training: FaceSet,
    recipe: Recipe,
    device: torch.device,
    folder: Path,
    report: Callable[[int], None] = lambda view: None,
) -> Tensor:
    """The mean logits of the teachers on every view of the training faces: float16 `(views, N, 7)` on the CPU.

    A view's logits are a file in `folder`; those that are there are not computed again. `report` gets each number.
    """
    nets = [weights.load_weights(weights_file(teacher))[1] for teacher in teachers]
    kept = folder / _key(teachers, training, recipe, device)
    images = torch.from_numpy(training.images).to(device)
    answers: list[Tensor] = []
    for number in range(recipe.views):
        file = kept / f"view-{number:03}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(kept / ".lock"):
            if not file.exists():
                found = _logits(nets, images, view_of(images, recipe.augmentation, number), device)
                with whole(file) as draft:
                    np.save(draft, found.half().cpu().numpy())
        answers.append(torch.from_numpy(np.load(file)))
        report(number)
    return torch.stack(answers)


def distillation_loss(outputs: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """The Kullback-Leibler divergence of softened answers `(N, 7)`, times temperature squared.

    Hinton et al. 2015, arXiv 1503.02531, section 2.
    """
    student, teacher = F.log_softmax(outputs / temperature, 1), F.log_softmax(answers / temperature, 1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def _key(teachers: Sequence[str], training: FaceSet, recipe: Recipe, device: torch.device) -> str:
    """What decides a teacher's answers. Random numbers differ between kinds of devices, and so do the views."""
    decides = [sorted(map(digest, teachers)), training.fingerprint, identity(recipe.augmentation), device.type]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


@torch.inference_mode()
def _logits(nets: Sequence[nn.Module], images: Tensor, view: View, device: torch.device) -> Tensor:
    found = torch.zeros(len(images), 7, device=device)
    for net in nets:
        net = net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        for rows in torch.arange(len(images), device=device).split(EVALUATION_BATCH):
            with autocast(precision(net, device), device):
                found[rows] += net(look(images, view, rows, images.shape[-1])).float() / len(nets)
    return found
