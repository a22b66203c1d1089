"""A model's answers on faces, and what they are worth."""

import numpy as np
import torch
from torch import Tensor, nn

from fer_utils.data.augment import to_input
from fer_utils.data.faces import USAGES, FaceSet, leaked, split

EVALUATION_BATCH = 256


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits `(N, 7)` for uint8 images `(N, 48, 48)` on the model's own device, in the caller's precision."""
    return torch.cat([model(to_input(batch)).float() for batch in images.split(EVALUATION_BATCH)])


def predictions(model: nn.Module, faces: FaceSet, device: torch.device) -> np.ndarray:
    """The most likely class of each face, int64 `(N,)`, computed in float32."""
    if not len(faces):
        return np.empty(0, np.int64)
    model = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return logits(model, torch.from_numpy(faces.images).to(device)).argmax(1).cpu().numpy()


def scores(model: nn.Module, faces: FaceSet, device: torch.device) -> dict[str, float]:
    """Accuracy and number of faces for validation and every test usage that `faces` has.

    The key `..._without_leak` leaves out the test faces that Training also holds, pixel for pixel.
    """
    _, validation = split(faces)
    parts = {"validation": validation}
    parts |= {f"{usage}": faces.part(usage) for usage in USAGES[1:]}
    found: dict[str, float] = {}
    for name, part in parts.items():
        if len(part):
            hits = predictions(model, part, device) == part.labels
            known = leaked(part, faces.part("Training"))
            found |= {f"{name}_accuracy": float(hits.mean()), f"{name}_faces": len(part)}
            if name != "validation":
                found[f"{name}_accuracy_without_leak"] = float(hits[~known].mean())
    return found
