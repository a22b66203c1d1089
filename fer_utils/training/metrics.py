"""Predictions of a trained network on labelled faces, and their metrics."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_utils.data.augment import Augmentation, crops, draw_view, to_input
from fer_utils.data.faces import CLASSES, UNLABELLED, USAGES, FaceSet, canonical, split
from fer_utils.data.votes import VOTE_CLASSES, majority
from fer_utils.errors import InputError, check_name
from fer_utils.models.recognizer import Recognizer, softmax
from fer_utils.models.weights import Trained
from fer_utils.training.devices import exact_float32

# Larger batches do not fit a CPU's cache; see figures/EXPERIMENTS.md.
EVALUATION_BATCH = {"cpu": 64, "cuda": 1024}
VALIDATION = "validation"
# Random crops like the varying boxes of a face detector: scale 0.85 to 1.15, shift up to 10 % of the side.
FRAMING = Augmentation(zoom=0.15, shift_px=4.8)
FRAMINGS = 8
PROBABILITY_COLUMN = "p_{}"


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits `(N, C)` of images, uint8 `(N, 48, 48)` on the model's device."""
    batches = images.split(EVALUATION_BATCH[images.device.type])
    with exact_float32():
        return torch.cat([model(to_input(batch)).float() for batch in batches])


def recognizer(trained: Trained, device: torch.device) -> Recognizer:
    """A recognizer that computes in float32 on a device."""
    net = trained.net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return Recognizer(
        trained.model,
        trained.classes,
        lambda faces: logits(net, torch.from_numpy(np.ascontiguousarray(faces)).to(device)).cpu().numpy(),
    )


def prediction_table(network: Recognizer, part: FaceSet) -> pd.DataFrame:
    """A network's predictions, one row per labelled face.

    `face` is the hash of the pixels, `label` FER2013's class, `majority` the class of most FER+ voters (-1 for none;
    only if the faces have votes), `predicted` the most likely class, `predicted_flip_averaged` the same with flip TTA.
    `p_CLASS` are the probabilities. `leaked` marks duplicates of Training faces; all faces if Training is missing.
    """
    plain, mirrored = network(part.images), network(part.images[:, :, ::-1])
    columns = {
        "face": [f"{digest:016x}" for digest in part.digests],
        "label": part.labels,
        **({} if part.votes is None else {"majority": majority(part.votes)}),
        "predicted": plain.argmax(1),
        "predicted_flip_averaged": (plain + mirrored).argmax(1),
        "leaked": np.ones(len(part), bool) if part.duplicate is None else part.duplicate,
    }
    names = [PROBABILITY_COLUMN.format(name) for name in network.classes]
    return pd.DataFrame({**columns, **dict(zip(names, softmax(plain).round(4).T, strict=True))})


def score(answers: pd.DataFrame, truth: str = "label") -> dict[str, Any]:
    """Accuracies of predictions, with precision, recall and `n` per class.

    `truth` is the column of correct classes, `label` or `majority`; faces without one are left out. A metric over zero
    faces is None: `accuracy_without_leak` if all are duplicates, the precision of a class that is never predicted.
    """
    answers = answers[answers[truth] != UNLABELLED]
    right = answers[truth]
    hits = answers.predicted == right
    per_class = {
        name: {
            "precision": _share(hits[answers.predicted == label]),
            "recall": _share(hits[right == label]),
            "n": int((right == label).sum()),
        }
        for label, name in enumerate(CLASSES if truth == "label" else VOTE_CLASSES)
    }
    return {
        "accuracy": _share(hits),
        "accuracy_flip_averaged": _share(answers.predicted_flip_averaged == right),
        "accuracy_without_leak": _share(hits[~answers.leaked]),
        "n": len(answers),
        "per_class": per_class,
    }


def _share(hits: pd.Series) -> float | None:
    return float(hits.mean()) if len(hits) else None


def truth_of(network: Recognizer) -> str:
    """The column of correct classes for a network's target: `majority` for FER+'s."""
    return "majority" if network.classes == VOTE_CLASSES else "label"


def framing_loss(network: Recognizer, part: FaceSet, answers: pd.DataFrame) -> dict[str, float] | None:
    """The loss of accuracy under random framing: `mean` and 95 % confidence interval.

    The mean over eight fixed random crops of each face (`FRAMING`). The interval `low`..`high` is that of the paired
    differences over the faces. None if no face has a correct class.
    """
    truth = answers[truth_of(network)].to_numpy() if truth_of(network) in answers else np.full(len(part), UNLABELLED)
    known = truth != UNLABELLED
    if not known.any():
        return None
    images, right = torch.from_numpy(part.images[known]), truth[known]
    lost = (answers.predicted.to_numpy()[known] == right).astype(float)
    for seed in range(FRAMINGS):
        view = draw_view(images, FRAMING, torch.Generator().manual_seed(seed))
        lost -= (network(crops(images, view).numpy()).argmax(1) == right) / FRAMINGS
    mean, error = lost.mean(), lost.std() / len(lost) ** 0.5
    return {"mean": float(mean), "low": float(mean - 1.96 * error), "high": float(mean + 1.96 * error)}


def labelled_part(faces: FaceSet, usage: str) -> FaceSet:
    """The labelled faces of a usage or of the `validation` split, in canonical order.

    Raises `InputError` if there are none.
    """
    check_name("usage", usage, (VALIDATION, *USAGES))
    part = split(faces)[1] if usage == VALIDATION else canonical(faces.part(usage))
    if not len(part):
        held = [u for u in USAGES if len(faces.part(u))]
        raise InputError(f"{faces.name} has no labelled {usage} faces; it has {', '.join(held) or 'none'}")
    return part


def examine(network: Recognizer, faces: FaceSet) -> tuple[pd.DataFrame, dict[str, float]]:
    """Predictions and metrics on validation and on the test usages of `faces`.

    Column `part` of the table names the usage. So do the metrics: `PublicTest_accuracy`, `PublicTest_votes_accuracy`...
    """
    tables: list[pd.DataFrame] = []
    metrics: dict[str, float] = {}
    for name in (VALIDATION, *(usage for usage in USAGES[1:] if len(faces.part(usage)))):
        part = labelled_part(faces, name)
        answers = prediction_table(network, part).assign(part=name)
        tables.append(answers)
        metrics |= {f"{name}_{key}": value for key, value in _metrics(network, part, answers).items()}
    return pd.concat(tables, ignore_index=True), metrics


def _metrics(network: Recognizer, part: FaceSet, answers: pd.DataFrame) -> dict[str, float]:
    """The metrics of a part for the results table, without those that are None."""
    found = score(answers)
    metrics = {"accuracy": found["accuracy"], "faces": found["n"]}
    if answers.part.iloc[0] != VALIDATION:
        metrics |= {name: found[name] for name in ("accuracy_flip_averaged", "accuracy_without_leak")}
    if "majority" in answers:
        by_votes = score(answers, "majority")
        metrics |= {"votes_accuracy": by_votes["accuracy"], "votes_faces": by_votes["n"]}
    if framing := framing_loss(network, part, answers):
        metrics |= {f"framing_{name}": value for name, value in framing.items()}
    return {name: value for name, value in metrics.items() if value is not None}
