from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet, canonical, mark_duplicates
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.models.recognizer import Recognizer
from fer_utils.training.metrics import (
    add_votes,
    examine,
    framing_loss,
    logits,
    prediction_table,
    score,
    score_votes,
)


def brightness(faces: np.ndarray) -> np.ndarray:
    return logits(Brightness(), torch.from_numpy(np.ascontiguousarray(faces))).numpy()


READ = Recognizer("brightness", CLASSES, brightness)


class Brightness(nn.Module):
    """Angry by the light of the left column, disgust by twice that of the right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        light = x.mean((1, 2)) + 2
        return torch.stack([light[:, 0], 2 * light[:, -1], *[light[:, 0] * 0 - 9] * 5], 1)


def face(left: int, right: int) -> FaceSet:
    image = np.full((1, 48, 48), 100, np.uint8)
    image[:, :, 0], image[:, :, -1] = left, right
    return FaceSet(image, np.array([0]), np.array(["PublicTest"]))


def test_flip_averaging_adds_the_logits_of_the_mirrored_face() -> None:
    # Alone, the left column wins; with the mirror image, twice the sum of both columns does.
    one = face(240, 20)
    row = prediction_table(READ, one).iloc[0]
    assert (row.predicted, row.predicted_flip_averaged) == (0, 1)


def test_what_is_nearly_in_training_counts_only_in_the_official_accuracy() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 48, 48), dtype=np.uint8)
    images[3] = images[0] // 2 + 60  # a Training face in another light
    images[:, :, 0], images[:, :, -1] = 255, 0
    usage = np.array(["Training", "Training", "PublicTest", "PublicTest"])
    faces = mark_duplicates(FaceSet(images, np.array([0, 0, 0, 5]), usage))
    answers = prediction_table(READ, faces.part("PublicTest"))
    assert answers.leaked.tolist() == [False, True]
    unclear = mark_duplicates(FaceSet(images, np.array([UNLABELLED, 0, 0, 5]), usage))  # its twin has no label
    assert prediction_table(READ, unclear.part("PublicTest")).leaked.tolist() == [False, True]
    worth = score(answers)
    assert (worth["n"], worth["accuracy"], worth["accuracy_without_leak"]) == (2, 0.5, 1.0)
    assert score(prediction_table(READ, faces.part("Training")))["accuracy_without_leak"] is None
    alone = mark_duplicates(faces.part("PublicTest"))  # without Training nobody knows
    assert score(prediction_table(READ, alone))["accuracy_without_leak"] is None
    assert worth["per_class"]["angry"] == {"precision": pytest.approx(0.5), "recall": 1.0, "n": 1}
    assert worth["per_class"]["happy"] == {"precision": None, "recall": None, "n": 0}  # of none, not none of some


def test_validation_and_every_test_are_examined(faces: FaceSet) -> None:
    answers, metrics = examine(READ, faces)
    assert list(answers.part.unique()) == ["validation", "PublicTest"]
    rows = answers[answers.part == "PublicTest"]
    assert rows.label.tolist() == canonical(faces.part("PublicTest")).labels.tolist()
    assert metrics["PublicTest_accuracy"] == (rows.label == rows.predicted).mean()
    assert metrics["PublicTest_faces"] == len(rows)
    columns = [f"p_{name}" for name in CLASSES]
    assert np.allclose(rows[columns].sum(axis=1), 1, atol=1e-3)
    assert (rows[columns].to_numpy().argmax(1) == rows.predicted).all()


def test_votes_are_right_by_their_majority(faces: FaceSet) -> None:
    votes = np.zeros((len(faces), 10), np.uint8)
    votes[:, 7] = 10  # contempt, which a network from labels cannot name
    answers, metrics = examine(READ, replace(faces, votes=votes))
    assert (answers.majority == 7).all()
    assert metrics["PublicTest_votes_accuracy"] == 0
    assert metrics["PublicTest_votes_faces"] == len(faces.part("PublicTest"))
    contempt = Recognizer("always contempt", VOTE_CLASSES, lambda images: np.eye(8)[[7] * len(images)])
    _, metrics = examine(contempt, replace(faces, votes=votes))
    assert metrics["PublicTest_votes_accuracy"] == 1
    assert metrics["PublicTest_framing_mean"] == 0  # it says the same of every crop
    votes[:, 7] = 0  # a network from votes has no measure where there are none
    part = faces.part("PublicTest")
    assert framing_loss(contempt, part, prediction_table(contempt, part)) is None


def test_random_framing_costs_a_reader_of_edges_its_accuracy(faces: FaceSet) -> None:
    # Named right where the left edge is bright and thin: hardly any crop keeps it.
    part = faces.part("PublicTest")
    images = np.zeros_like(part.images)
    images[:, :, 0] = 255
    images[:, :, 1:3] = 0
    thin = replace(part, images=images, labels=np.zeros(len(part), np.int64))

    def edge(faces: np.ndarray) -> np.ndarray:
        bright = (faces[:, :, 0].mean(1) == 255) & (faces[:, :, 1].mean(1) == 0)
        return np.stack([bright, ~bright, *[0 * bright] * 5], 1).astype(np.float32)

    network = Recognizer("edge", CLASSES, edge)
    found = framing_loss(network, thin, prediction_table(network, thin))
    assert found is not None
    assert found["mean"] > 0.9
    assert found["low"] < found["mean"] < found["high"] <= 1.1
    first, again = (framing_loss(READ, part, prediction_table(READ, part)) for _ in range(2))
    assert first == again


def test_answers_are_compared_with_the_votes_on_clear_faces() -> None:
    votes = np.zeros((5, 10), int)
    votes[0, 3] = votes[1, 3] = votes[2, 6] = 10
    votes[3, [3, 6]] = 5  # no majority
    votes[4, 7] = 10  # contempt
    shares = np.full((5, 7), 0.1)
    shares[:, 3] = 0.4
    answers = add_votes(pd.DataFrame({"predicted": [3] * 5}), votes)
    found = score_votes(answers.assign(**{f"p_{name}": column for name, column in zip(CLASSES, shares.T, strict=True)}))
    assert found is not None
    assert (found["faces"], found["classes"], found["accuracy"]) == (4, 7, 0.5)
    assert found["balanced_accuracy"] == 0.5  # happy 1, neutral 0; contempt is not a class of this network
    assert found["log_loss"] == pytest.approx(-(2 * np.log(0.4) + np.log(0.1)) / 3)
    assert found["calibration_error"] == pytest.approx(2 / 3 - 0.4)
    assert found["agreement"] == 0.5
    assert found["people"] == 0  # people who all agree are never wrong
    assert set(score_votes(answers) or {}) == {
        "accuracy", "balanced_accuracy", "faces", "classes", "agreement", "people",
    }  # fmt: skip
    assert score_votes(answers[answers.majority < 0]) is None
    assert score_votes(pd.DataFrame({"predicted": [3]})) is None
