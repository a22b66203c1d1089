"""Predictions of a trained network on labelled faces, and their metrics."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_utils.data.augment import Augmentation, crops, draw_view, to_input
from fer_utils.data.faces import CLASSES, UNLABELLED, USAGES, FaceSet, canonical, split
from fer_utils.data.people import has_panel, panel, worth
from fer_utils.data.votes import BALLOT, VOTE_CLASSES, distribution, majority
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
PROBABILITY_COLUMN, VOTES_COLUMN = "p_{}", "votes_{}"
LEAST_PROBABILITY = 5e-5  # for the log-loss; predictions have four decimals
CALIBRATION_BINS = 15


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


def face_table(part: FaceSet) -> pd.DataFrame:
    """What is known of labelled faces, one row per face.

    `face` is the hash of the pixels, `label` FER2013's class. `leaked` marks duplicates of Training faces; all faces if
    Training is missing. If the faces have votes, `majority` is the class of most FER+ voters (-1 for none), and
    `votes_ANSWER` counts the votes for each answer in `BALLOT`.
    """
    columns = {
        "face": [f"{digest:016x}" for digest in part.digests],
        "label": part.labels,
        "leaked": np.ones(len(part), bool) if part.duplicate is None else part.duplicate,
    }
    return add_votes(pd.DataFrame(columns), part.votes)


def add_votes(table: pd.DataFrame, votes: np.ndarray | None) -> pd.DataFrame:
    """Add the columns `majority` and `votes_ANSWER` to a table of faces, if there are votes `(N, 10)`."""
    if votes is None:
        return table
    columns = {VOTES_COLUMN.format(name): column for name, column in zip(BALLOT, votes.T, strict=True)}
    return table.assign(majority=majority(votes), **columns)


def votes_of(answers: pd.DataFrame) -> np.ndarray | None:
    """The votes `(N, 10)` in a table of faces; None if it has none."""
    columns = [VOTES_COLUMN.format(name) for name in BALLOT]
    return answers[columns].to_numpy() if set(columns) <= set(answers) else None


def prediction_table(network: Recognizer, part: FaceSet) -> pd.DataFrame:
    """A network's predictions, one row per labelled face (`face_table`).

    `predicted` is the most likely class, `predicted_flip_averaged` the same with flip TTA. `p_CLASS` are the
    probabilities.
    """
    plain, mirrored = network(part.images), network(part.images[:, :, ::-1])
    names = [PROBABILITY_COLUMN.format(name) for name in network.classes]
    return face_table(part).assign(
        predicted=plain.argmax(1),
        predicted_flip_averaged=(plain + mirrored).argmax(1),
        **dict(zip(names, softmax(plain).round(4).T, strict=True)),
    )


def score(answers: pd.DataFrame, truth: str = "label") -> dict[str, Any]:
    """Accuracies of predictions, with precision, recall and `n` per class.

    `truth` is the column of correct classes, `label` or `majority`; faces without one are left out. A metric over zero
    faces is None: `accuracy_without_leak` if all are duplicates, the precision of a class that is never predicted.
    """
    answers = answers[answers[truth] != UNLABELLED]
    right = answers[truth]
    hits, flipped = answers.predicted == right, "predicted_flip_averaged" in answers
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
        "accuracy_flip_averaged": _share(answers.predicted_flip_averaged == right) if flipped else None,
        "accuracy_without_leak": _share(hits[~answers.leaked]),
        "n": len(answers),
        "per_class": per_class,
    }


def score_votes(answers: pd.DataFrame) -> dict[str, float] | None:
    """Compare predictions with FER+'s votes, on the faces with a majority; None if there are none.

    `accuracy` is that against the majority. Faces of a class that the network lacks (contempt, for one trained from
    labels) count as errors. The means over classes (`balanced_accuracy`) and the comparisons of probabilities are over
    the `classes` that it has, 7 or 8: `log_loss` against the distribution of the votes, and `calibration_error` of the
    most likely class (expected calibration error in 15 bins: Guo et al. 2017, arXiv 1706.04599). Both need
    probabilities. `agreement` is that with five held-out voters and `people` the number of people that agree as often
    (`data/people.py`), on the faces with ten votes.
    """
    votes = votes_of(answers)
    clear = np.zeros(len(answers), bool) if votes is None else majority(votes) != UNLABELLED
    if votes is None or not clear.any():
        return None
    answers, votes = answers[clear], votes[clear]
    right, predicted = majority(votes), answers.predicted.to_numpy()
    hits = predicted == right
    names = [name for name in VOTE_CLASSES if PROBABILITY_COLUMN.format(name) in answers]
    known = len(names) or len(CLASSES) + int((predicted >= len(CLASSES)).any())
    own = right < known
    found = {"accuracy": hits.mean(), "faces": len(hits), "classes": known}
    if own.any():
        found["balanced_accuracy"] = pd.Series(hits[own]).groupby(right[own]).mean().mean()
    if names and own.any():
        shares = answers[[PROBABILITY_COLUMN.format(name) for name in names]].to_numpy()[own]
        found["log_loss"] = _log_loss(shares, distribution(votes[own])[:, :known])
        found["calibration_error"] = _calibration_error(shares.max(1), shares.argmax(1) == right[own])
    ten = has_panel(votes)
    if ten.any():
        voters = panel(votes[ten])
        found["agreement"] = voters.agreement(predicted[ten]).mean()
        found["people"] = worth(found["agreement"], voters.people.mean(0))
    return {name: float(value) for name, value in found.items()}


def _log_loss(shares: np.ndarray, targets: np.ndarray) -> float:
    """Mean cross-entropy of probabilities against distributions, both `(N, C)`."""
    targets = targets / targets.sum(1, keepdims=True)
    return -(targets * np.log(np.maximum(shares, LEAST_PROBABILITY))).sum(1).mean()


def _calibration_error(confidence: np.ndarray, hits: np.ndarray) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their faces."""
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = pd.Series(confidence - hits).groupby(bins).sum().abs()
    return gaps.sum() / len(hits)


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
        found = part_metrics(answers)
        if framing := framing_loss(network, part, answers):
            found |= {f"framing_{end}": value for end, value in framing.items()}
        metrics |= {f"{name}_{key}": value for key, value in found.items()}
    return pd.concat(tables, ignore_index=True), metrics


def part_metrics(answers: pd.DataFrame) -> dict[str, float]:
    """The metrics of a part, all rows of a table, for the results table, without those that are None."""
    found = score(answers)
    metrics = {"accuracy": found["accuracy"], "faces": found["n"]}
    if answers.part.iloc[0] != VALIDATION:
        metrics |= {name: found[name] for name in ("accuracy_flip_averaged", "accuracy_without_leak")}
    for suffix, rows in {"": answers, "_without_leak": answers[~answers.leaked]}.items():
        by_votes = score_votes(rows) or {}
        metrics |= {f"votes_{name}{suffix}": value for name, value in by_votes.items() if name != "classes"}
    return {name: value for name, value in metrics.items() if value is not None}
