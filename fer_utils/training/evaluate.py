"""A model's answers on faces, and what they are worth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_utils.data.augment import to_input
from fer_utils.data.faces import CLASSES, USAGES, FaceSet, leaked, split
from fer_utils.data.load import load
from fer_utils.data.pictures import IMAGE_KINDS, find_pictures, is_picture, read_pictures
from fer_utils.errors import InputError, unknown
from fer_utils.models.export import SUFFIX, open_onnx
from fer_utils.models.weights import open_model

# Faces at once. On a CPU more of them leave the cache: a ResNet took 1.2 ms a face in batches of 256, 0.7 in 64.
EVALUATION_BATCH = {"cpu": 64, "cuda": 1024}
VALIDATION = "validation"


Reader = Callable[[np.ndarray], np.ndarray]  # faces, uint8 (N, 48, 48) -> logits (N, 7)


@torch.inference_mode()
def logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits `(N, 7)` for uint8 images `(N, 48, 48)` on the model's own device, in the caller's precision."""
    batches = images.split(EVALUATION_BATCH[images.device.type])
    return torch.cat([model(to_input(batch)).float() for batch in batches])


def reader(model: nn.Module, device: torch.device) -> Reader:
    """What reads faces with a model, in float32."""
    net = model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    return lambda faces: logits(net, torch.from_numpy(faces).to(device)).cpu().numpy()


def open_reader(name: str, device: torch.device) -> tuple[str, Reader]:
    """The name of a model and what reads faces with it: an ONNX file, or what `weights.locate` takes."""
    path = Path(name).expanduser()
    if path.suffix == SUFFIX and path.is_file():
        return open_onnx(path)
    model, net = open_model(name)
    return model, reader(net, device)


def classify(read: Reader, faces: np.ndarray) -> pd.DataFrame:
    """What a model sees in faces, uint8 `(N, 48, 48)`: a row a face, its `label` and the probability of every class."""
    found = torch.from_numpy(read(faces))
    table = pd.DataFrame(found.softmax(1).numpy(), columns=list(CLASSES))
    table.insert(0, "label", found.argmax(1).numpy())
    return table


def predict(read: Reader, paths: Sequence[Path]) -> pd.DataFrame:
    """What a model sees in the files that people hold: a row a face.

    Of images and their folders, in any number: the `file`, the name of its class as `label`, and the probability of
    every class. Of one csv or parquet of faces: `id`, or the row's number, and the number of its class as `label`,
    which is what Kaggle takes. Raises `InputError` for anything else.
    """
    if all(path.is_dir() or is_picture(path) for path in paths):
        pictures = find_pictures(paths)
        table = classify(read, read_pictures(pictures))
        table.insert(0, "file", [str(path) for path in pictures])
        return table.assign(label=[CLASSES[label] for label in table.label])
    if len(paths) > 1:
        allowed = f"one csv or parquet of faces, or images ({IMAGE_KINDS}) and their folders alone"
        raise InputError(f"{len(paths)} paths: give {allowed}")
    faces = load(paths[0])
    ids = range(len(faces)) if faces.ids is None else faces.ids
    return pd.DataFrame({"id": ids, "label": classify(read, faces.images).label})


def answer(read: Reader, part: FaceSet, faces: FaceSet) -> pd.DataFrame:
    """What a model says of each labelled face: a row a face.

    `face` is the hash of its pixels, `label` its own class, `predicted` the most likely one, `predicted_flip_averaged`
    that of the logits of the face and of its mirror image together, at twice the cost. `leaked` marks the faces that
    Training of `faces` holds, pixel for pixel or nearly: all of Training's own, some of a test, and all where there is
    no Training to look at.
    """
    plain = read(part.images)
    mirrored = read(np.ascontiguousarray(part.images[:, :, ::-1]))
    training = faces[faces.usage == "Training"]  # also those that lost their label to FER+'s voters
    known = leaked(part, training) if len(training) and "Training" not in part.usage else np.ones(len(part), bool)
    return pd.DataFrame(
        {
            "face": [f"{digest:016x}" for digest in part.digests],
            "label": part.labels,
            "predicted": plain.argmax(1),
            "predicted_flip_averaged": (plain + mirrored).argmax(1),
            "leaked": known,
        }
    )


def assess(answers: pd.DataFrame) -> dict[str, Any]:
    """What the answers are worth: `accuracy`, `n`, and `per_class` precision, recall and `n`.

    What is a share of no faces is None: `accuracy_without_leak` where every face is leaked or may be, the recall of a
    class without faces, and the precision of one that was never named.
    """
    hits = answers.predicted == answers.label
    per_class = {
        name: {
            "precision": _share(hits[answers.predicted == label]),
            "recall": _share(hits[answers.label == label]),
            "n": int((answers.label == label).sum()),
        }
        for label, name in enumerate(CLASSES)
    }
    return {
        "accuracy": _share(hits),
        "accuracy_flip_averaged": _share(answers.predicted_flip_averaged == answers.label),
        "accuracy_without_leak": _share(hits[~answers.leaked]),
        "n": len(answers),
        "per_class": per_class,
    }


def _share(hits: pd.Series) -> float | None:
    return float(hits.mean()) if len(hits) else None


def labelled_part(faces: FaceSet, usage: str) -> FaceSet:
    """The labelled faces of a usage, or the `validation` part of Training. Raises `InputError` if there are none."""
    if usage not in (VALIDATION, *USAGES):
        raise unknown("usage", usage, (VALIDATION, *USAGES))
    part = split(faces)[1] if usage == VALIDATION else faces.part(usage)
    if not len(part):
        held = [u for u in USAGES if len(faces.part(u))]
        raise InputError(f"{faces.name} has no labelled {usage} faces; it has {', '.join(held) or 'none at all'}")
    return part


def examine(read: Reader, faces: FaceSet) -> pd.DataFrame:
    """A model's answers on validation and on every test usage that `faces` has, each a `part` of the table."""
    tests = {usage: faces.part(usage) for usage in USAGES[1:] if len(faces.part(usage))}
    parts = {VALIDATION: labelled_part(faces, VALIDATION)} | tests
    return pd.concat([answer(read, part, faces).assign(part=name) for name, part in parts.items()], ignore_index=True)


def scores(answers: pd.DataFrame) -> dict[str, float]:
    """Accuracy and number of faces for every part of the answers."""
    found: dict[str, float] = {}
    for name, rows in answers.groupby("part", sort=False):
        worth = assess(rows)
        found |= {f"{name}_accuracy": worth["accuracy"], f"{name}_faces": worth["n"]}
        if name != VALIDATION:
            found[f"{name}_accuracy_flip_averaged"] = worth["accuracy_flip_averaged"]
            if worth["accuracy_without_leak"] is not None:
                found[f"{name}_accuracy_without_leak"] = worth["accuracy_without_leak"]
    return found
