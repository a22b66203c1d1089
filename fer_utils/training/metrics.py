"""A trained network's predictions on labelled faces, and the metrics computed from them."""

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

# Faces at once. On a CPU more of them leave the cache: a ResNet took 1.2 ms a face in batches of 256, 0.7 in 64.
EVALUATION_BATCH = {"cpu": 64, "cuda": 1024}
VALIDATION = "validation"
# Random crops as a face detector's boxes vary: scale 0.85 to 1.15, shift up to a tenth of the side.
FRAMING = Augmentation(zoom=0.15, shift_px=4.8)
FRAMINGS = 8
PROBABILITY_COLUMN = "p_{}"


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits `(N, C)` for uint8 images `(N, 48, 48)` on the model's own device, in the caller's precision."""
    batches = images.split(EVALUATION_BATCH[images.device.type])
    with exact_float32():
        return torch.cat([model(to_input(batch)).float() for batch in batches])


def recognizer(trained: Trained, device: torch.device) -> Recognizer:
    """A trained network on a device, in float32."""
    net = trained.net.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return Recognizer(
        trained.model,
        trained.classes,
        lambda faces: logits(net, torch.from_numpy(np.ascontiguousarray(faces)).to(device)).cpu().numpy(),
    )


def prediction_table(network: Recognizer, part: FaceSet) -> pd.DataFrame:
    """A network's predictions: a row for each labelled face.

    `face` is the hash of its pixels, `label` FER2013's class, `majority` that of FER+'s voters (-1 for none; only where
    faces have votes), `predicted` the most likely class, `predicted_flip_averaged` that with flip TTA, `p_CLASS` its
    probabilities. `leaked` marks the faces that Training also holds, or may hold (`mark_duplicates`).
    """
    plain = network(part.images)
    mirrored = network(part.images[:, :, ::-1])
    probabilities = softmax(plain).round(4)
    columns = {
        "face": [f"{digest:016x}" for digest in part.digests],
        "label": part.labels,
        **({} if part.votes is None else {"majority": majority(part.votes)}),
        "predicted": plain.argmax(1),
        "predicted_flip_averaged": (plain + mirrored).argmax(1),
        "leaked": np.ones(len(part), bool) if part.duplicate is None else part.duplicate,
    }
    names = [PROBABILITY_COLUMN.format(name) for name in network.classes]
    return pd.DataFrame({**columns, **dict(zip(names, probabilities.T, strict=True))})


def score(answers: pd.DataFrame, truth: str = "label") -> dict[str, Any]:
    """The metrics of predictions: `accuracy`, `n`, and `per_class` precision, recall and `n`.

    `truth` names the column of right classes, `label` or `majority`; faces without one are left out. A share of no
    faces is None: `accuracy_without_leak` where every face is leaked or may be, the recall of a class without faces,
    and the precision of one that was never predicted.
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
    """The column of right classes by a network's own target: `majority` if it knows FER+'s classes."""
    return "majority" if network.classes == VOTE_CLASSES else "label"


def framing_loss(network: Recognizer, part: FaceSet, answers: pd.DataFrame) -> dict[str, float] | None:
    """The accuracy that random framing costs: its `mean` over eight fixed draws, and a 95 % interval `low`..`high`.

    A draw crops each face at a scale of 0.85 to 1.15, shifted by up to a tenth of the side, the edge repeated. The
    interval is that of the paired differences over the faces. None where no face has a right class.
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
    """The labelled faces of a usage, or of the `validation` part of Training, in canonical order.

    Raises `InputError` if there are none.
    """
    check_name("usage", usage, (VALIDATION, *USAGES))
    part = split(faces)[1] if usage == VALIDATION else canonical(faces.part(usage))
    if not len(part):
        held = [u for u in USAGES if len(faces.part(u))]
        raise InputError(f"{faces.name} has no labelled {usage} faces; it has {', '.join(held) or 'none at all'}")
    return part


def examine(network: Recognizer, faces: FaceSet) -> tuple[pd.DataFrame, dict[str, float]]:
    """Predictions on validation and on every test usage that `faces` has, each a `part` of the table; and the metrics.

    A metric's name begins with the part: `PublicTest_accuracy`, `PublicTest_votes_accuracy` and so on.
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
    """The metrics of a part that the results table has, those that are known."""
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
