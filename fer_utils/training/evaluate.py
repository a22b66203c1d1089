"""A model's answers on faces, and what they are worth."""

from typing import Any

import numpy as np
import torch
from sklearn.metrics import precision_recall_fscore_support
from torch import Tensor, nn

from fer_utils.data.augment import to_input
from fer_utils.data.faces import CLASSES, USAGES, FaceSet, leaked, split
from fer_utils.errors import InputError, unknown

EVALUATION_BATCH = 256
VALIDATION = "validation"


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits `(N, 7)` for uint8 images `(N, 48, 48)` on the model's own device, in the caller's precision."""
    return torch.cat([model(to_input(batch)).float() for batch in images.split(EVALUATION_BATCH)])


def predictions(model: nn.Module, faces: FaceSet, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """The most likely class of each face, int64 `(N,)`, in float32: from its logits, and from its mirror's as well."""
    model = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    images = torch.from_numpy(faces.images).to(device)
    plain, mirrored = logits(model, images), logits(model, images.flip(2))
    return plain.argmax(1).cpu().numpy(), (plain + mirrored).argmax(1).cpu().numpy()


def assess(model: nn.Module, part: FaceSet, faces: FaceSet, device: torch.device) -> dict[str, Any]:
    """What a model's answers on labelled faces are worth: `accuracy`, `n`, and `per_class` precision, recall and `n`.

    `accuracy_flip_averaged` is that of the logits of a face and of its mirror image together, at twice the cost.
    `accuracy_without_leak` leaves out the test faces that Training of `faces` also holds, pixel for pixel or nearly
    (`leaked`); NaN if that is all, and for Training faces themselves.
    """
    found, averaged = predictions(model, part, device)
    hits = found == part.labels
    new = ~leaked(part, faces.part("Training")) if "Training" not in part.usage else np.zeros(len(part), bool)
    precision, recall, _, n = precision_recall_fscore_support(
        part.labels, found, labels=range(len(CLASSES)), zero_division=0.0
    )
    rows = zip(CLASSES, precision, recall, n, strict=True)
    return {
        "accuracy": float(hits.mean()),
        "accuracy_flip_averaged": float((averaged == part.labels).mean()),
        "accuracy_without_leak": float(hits[new].mean()) if new.any() else float("nan"),
        "n": len(part),
        "per_class": {c: {"precision": float(p), "recall": float(r), "n": int(k)} for c, p, r, k in rows},
    }


def labelled_part(faces: FaceSet, usage: str) -> FaceSet:
    """The labelled faces of a usage, or the `validation` part of Training. Raises `InputError` if there are none."""
    if usage not in (VALIDATION, *USAGES):
        raise unknown("usage", usage, (VALIDATION, *USAGES))
    part = split(faces)[1] if usage == VALIDATION else faces.part(usage)
    if not len(part):
        held = [u for u in USAGES if len(faces.part(u))]
        raise InputError(f"{faces.name} has no labelled {usage} faces; it has {', '.join(held) or 'none at all'}")
    return part


def scores(model: nn.Module, faces: FaceSet, device: torch.device) -> dict[str, float]:
    """Accuracy and number of faces for validation and for every test usage that `faces` has."""
    tests = {usage: faces.part(usage) for usage in USAGES[1:] if len(faces.part(usage))}
    found: dict[str, float] = {}
    for name, part in ({VALIDATION: labelled_part(faces, VALIDATION)} | tests).items():
        worth = assess(model, part, faces, device)
        found |= {f"{name}_accuracy": worth["accuracy"], f"{name}_faces": worth["n"]}
        if name in tests:
            found[f"{name}_accuracy_flip_averaged"] = worth["accuracy_flip_averaged"]
            found[f"{name}_accuracy_without_leak"] = worth["accuracy_without_leak"]
    return found
