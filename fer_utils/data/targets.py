"""Training targets: the labels of FER2013, or the distribution of the FER+ votes."""

from dataclasses import dataclass

import numpy as np

from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet
from fer_utils.data.votes import VOTE_CLASSES, distribution, majority
from fer_utils.errors import InputError, check_name

TARGETS = {"labels": CLASSES, "votes": VOTE_CLASSES}  # target: classes of a network trained on it


@dataclass(frozen=True)
class Examples:
    """Faces for training or evaluation, with their targets."""

    images: np.ndarray  # uint8 (N, 48, 48)
    targets: np.ndarray  # float32 (N, C), a distribution over the target's classes for each face
    classes: np.ndarray  # int64 (N,), the correct class, or -1 where the votes have no majority


def examples(faces: FaceSet, target: str, label_smoothing: float = 0.0) -> Examples:
    """Select the faces that have a target. Label smoothing does not apply to votes.

    Raises `InputError` for an unknown target, or for `votes` if there are none.
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
    """The votes `(N, 10)`; raises `InputError` if there are none."""
    if faces.votes is None or not faces.votes.any():
        advice = "use target 'labels', or give the votes with --ferplus"
        raise InputError(f"{faces.name} has no FER+ votes, which are bundled for FER2013 only: {advice}")
    return faces.votes
