"""Knowledge distillation: the logits of trained networks, for a student to learn.

Teachers and student see the same augmented view of a face, and the student trains for long on many views (Beyer et al.
2022, arXiv 2106.05237). A view depends on its number alone, so that the teachers' logits are computed once and serve
every student and every epoch that shows the view again (Shen and Xing 2022, arXiv 2112.01528).
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock, Timeout
from torch import Tensor, nn
from tqdm import tqdm

from fer_utils.data.augment import VIEW_VERSION, Augmentation, View, draw_view, render_view
from fer_utils.errors import FerError, InputError
from fer_utils.files import atomic_write, delete_drafts
from fer_utils.models import weights
from fer_utils.training.devices import autocast, exact_float32
from fer_utils.training.evaluate import EVALUATION_BATCH
from fer_utils.training.recipe import Recipe, non_default_fields


@dataclass(frozen=True)
class Teacher:
    """A trained network by its identity: `run:KEY` of the run that trained it, or `weights:HASH` of a file."""

    key: str
    model: str = field(compare=False)
    weights: Path = field(compare=False)

    @property
    def title(self) -> str:
        """The teacher in tables: its model and the beginning of its key."""
        return f"{self.model}@{self.key.partition(':')[2][:8]}"


def view_of(images: Tensor, augmentation: Augmentation, number: int) -> View:
    """The view with this number of the images `(N, 48, 48)`: the same for all students, without flips, on the CPU."""
    shapes = images.new_empty(images.shape, device="cpu")  # only their number and size count
    return draw_view(shapes, augmentation, torch.Generator().manual_seed(number))


def teacher_logits(
    teachers: Sequence[Teacher],
    classes: Sequence[str],
    images: np.ndarray,
    recipe: Recipe,
    precision: str,
    device: torch.device,
    folder: Path,
) -> Tensor:
    """The mean logits of the teachers on every view that the recipe shows: float16 `(views, N, C)` on the CPU.

    `images` are uint8 `(N, 48, 48)`. Each teacher's logits on a view are cached in `folder`. Raises `InputError` for a
    teacher with other classes than the student's.
    """
    views = min(recipe.views, recipe.epochs)
    mean = torch.zeros(views, len(images), len(classes))
    with tqdm(total=views * len(teachers), desc="teachers' logits", unit="view", leave=False, disable=None) as bar:
        for teacher in teachers:
            files = _cached_views(teacher, classes, images, recipe.augmentation, views, precision, device, folder, bar)
            for number, file in enumerate(files):
                logits = _read_logits(file)
                if logits is None:
                    raise FerError(f"{file} was damaged while it was used; the same command computes it again")
                mean[number] += torch.from_numpy(logits).float() / len(teachers)
    return mean.half()


def _cached_views(
    teacher: Teacher,
    classes: Sequence[str],
    images: np.ndarray,
    augmentation: Augmentation,
    views: int,
    precision: str,
    device: torch.device,
    folder: Path,
    bar: tqdm,
) -> list[Path]:
    """The files of a teacher's logits, float16 `(N, C)`, one for each view.

    Several processes may want them: each computes what nobody else is computing, and then waits for the rest.
    """
    trained = weights.load_weights(teacher.weights)
    if trained.classes != tuple(classes):
        raise InputError(
            f"teacher {teacher.title} knows {len(trained.classes)} classes ({', '.join(trained.classes)}), the student "
            f"learns {len(classes)}. Take a teacher with the student's target"
        )
    pixels = hashlib.sha256(images.tobytes()).hexdigest()
    settings = [non_default_fields(augmentation), device.type, precision]
    decides = [VIEW_VERSION, weights.digest(teacher.weights), pixels, *settings]
    cache = folder / hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    files = [cache / f"view-{number:03}.npy" for number in range(views)]
    faces = torch.from_numpy(images).to(device)
    for patient in (False, True):
        for number, file in enumerate(files):
            if _read_logits(file) is not None:
                continue
            try:
                with FileLock(file.with_suffix(".lock"), timeout=-1 if patient else 0):
                    if _read_logits(file) is None:
                        delete_drafts(cache, file.name)
                        _write_logits(file, trained.net, faces, view_of(faces, augmentation, number), precision)
                    bar.update()
            except Timeout:
                continue
    return files


def _read_logits(file: Path) -> np.ndarray | None:
    """The cached logits of a view; None where they are missing or damaged."""
    try:
        return np.load(file)
    except (OSError, ValueError, EOFError):
        return None


@torch.inference_mode()
def _write_logits(file: Path, net: nn.Module, images: Tensor, view: View, precision: str) -> None:
    device = images.device
    net = net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    batches, seen = torch.arange(len(images), device=device).split(EVALUATION_BATCH[device.type]), view.to(device)
    with autocast(precision, device), exact_float32():
        found = [net(render_view(images, seen, rows, images.shape[-1])).half().cpu() for rows in batches]
    stored = io.BytesIO()  # NumPy's own file writer does not tell a full disk from other errors
    np.save(stored, torch.cat(found).numpy())
    atomic_write(file, stored.getvalue())


def distillation_loss(outputs: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """The Kullback-Leibler divergence from softened answers `(N, C)`, times temperature squared.

    Hinton et al. 2015, arXiv 1503.02531, section 2.
    """
    student, teacher = F.log_softmax(outputs / temperature, 1), F.log_softmax(answers / temperature, 1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2
