"""Knowledge distillation: a student learns the logits of trained networks.

Teachers see each face once, without augmentation. The student learns their logits on augmented views, and so becomes
robust to framing; on the same views it would copy the teachers' mistakes (`figures/EXPERIMENTS.md`, "Random framing").
"""

import hashlib
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fer_utils.errors import InputError
from fer_utils.files import atomic_write, delete_drafts
from fer_utils.models import weights
from fer_utils.training.locks import exclusive
from fer_utils.training.metrics import recognizer


@dataclass(frozen=True)
class Teacher:
    """A trained network, keyed by `run:KEY` of its run or `weights:HASH` of its file."""

    key: str
    model: str = field(compare=False)
    weights: Path = field(compare=False)

    @property
    def title(self) -> str:
        """The teacher's name in tables: its model and the beginning of its key."""
        return f"{self.model}@{self.key.partition(':')[2][:8]}"


def teacher_logits(
    teachers: Sequence[Teacher], classes: Sequence[str], images: np.ndarray, device: torch.device, folder: Path
) -> Tensor:
    """The mean logits of an ensemble of teachers: float32 `(N, C)` on the CPU.

    `images` are faces, uint8 `(N, 48, 48)`. Each teacher's logits are cached in `folder`. Raises `InputError` for a
    teacher whose classes differ from the student's.
    """
    answers = [_cached_logits(teacher, classes, images, device, folder) for teacher in teachers]
    return torch.from_numpy(np.mean(answers, axis=0, dtype=np.float32))


def _cached_logits(
    teacher: Teacher, classes: Sequence[str], images: np.ndarray, device: torch.device, folder: Path
) -> np.ndarray:
    """One teacher's logits with flip TTA, float16 `(N, C)`."""
    trained = weights.load_weights(teacher.weights)
    if trained.classes != tuple(classes):
        raise InputError(
            f"teacher {teacher.title} has {len(trained.classes)} classes ({', '.join(trained.classes)}), the student "
            f"has {len(classes)}. Choose a teacher with the student's target"
        )
    decides = [weights.digest(teacher.weights), hashlib.sha256(images.tobytes()).hexdigest(), device.type]
    folder /= hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "logits.npy"
    with exclusive(folder):  # other students may need them at the same time
        with suppress(OSError, ValueError, EOFError):  # missing or damaged
            return np.load(file)
        delete_drafts(folder)
        read = recognizer(trained, device)
        logits = ((read(images) + read(images[:, :, ::-1])) / 2).astype(np.float16)
        _write_logits(file, logits)
        return logits


def _write_logits(file: Path, logits: np.ndarray) -> None:
    stored = io.BytesIO()  # in memory first: np.save reports a full disk as another error
    np.save(stored, logits)
    atomic_write(file, stored.getvalue())


def distillation_loss(outputs: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """KL divergence of softened logits `(N, C)`, times temperature squared.

    Hinton et al. 2015, arXiv 1503.02531, section 2. `outputs` are the student's, `answers` the teachers'.
    """
    student, teacher = F.log_softmax(outputs / temperature, 1), F.log_softmax(answers / temperature, 1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2
