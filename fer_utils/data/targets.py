"""What a network learns of a face: FER2013's label, or the distribution of FER+'s votes."""

from dataclasses import dataclass

import numpy as np

from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet
from fer_utils.data.votes import VOTE_CLASSES, distribution, majority
from fer_utils.errors import InputError, check_name

TARGETS = {"labels": CLASSES, "votes": VOTE_CLASSES}  # and the classes of a network that learns it


@dataclass(frozen=True)
class Examples:
    """Faces to learn from or to be measured on.

    `images` uint8 `(N, 48, 48)`; `targets` float32 `(N, C)`, a distribution over the target's classes for each face;
    `classes` int64 `(N,)`, the one right class, or -1 where the votes have no majority.
    """

    images: np.ndarray
    targets: np.ndarray
    classes: np.ndarray


def examples(faces: FaceSet, target: str, label_smoothing: float = 0.0) -> Examples:
    """The faces that have a target, with it. Raises `InputError` where `votes` are asked for and there are none.

    Smoothing spreads that share of a hard label over all classes; votes are soft already.
    """
    if check_name("target", target, TARGETS) == "labels":
        labelled = faces[faces.labels != UNLABELLED]
        smooth = np.eye(len(CLASSES)) * (1 - label_smoothing) + label_smoothing / len(CLASSES)
        return Examples(labelled.images, smooth.astype(np.float32)[labelled.labels], labelled.labels)
    votes = check_votes(faces)
    targets = distribution(votes)
    known = targets.any(axis=1)
    return Examples(faces.images[known], targets[known], majority(votes[known]))


def check_votes(faces: FaceSet) -> np.ndarray:
    """The votes on faces, if there are any."""
    if faces.votes is None or not faces.votes.any():
        raise InputError(
            f"{faces.name} has no FER+ votes, which are bundled for the faces of FER2013. Take target 'labels', or "
            "give the votes with --ferplus"
        )
    return faces.votes
