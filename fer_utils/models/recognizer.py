"""A trained network as a function, whatever its backend. No PyTorch import."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Recognizer:
    """Maps faces, uint8 `(N, 48, 48)`, to logits, float32 `(N, C)`, of C classes."""

    model: str
    classes: tuple[str, ...]
    logits: Callable[[np.ndarray], np.ndarray]

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """The logits of faces."""
        return self.logits(faces)

    def classify(self, faces: np.ndarray) -> pd.DataFrame:
        """One row per face, uint8 `(N, 48, 48)`: `label` (a number), probabilities."""
        logits = self(faces)
        table = pd.DataFrame(softmax(logits), columns=list(self.classes))
        table.insert(0, "label", logits.argmax(1))
        return table


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities `(N, C)` of logits `(N, C)`."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
