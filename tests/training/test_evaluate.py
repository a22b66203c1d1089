import numpy as np
import pytest
import torch
from torch import nn

from fer_utils.data.faces import UNLABELLED, FaceSet
from fer_utils.training.evaluate import answer, assess, examine, reader, scores

CPU = torch.device("cpu")


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
    row = answer(reader(Brightness(), CPU), one, one).iloc[0]
    assert (row.predicted, row.predicted_flip_averaged) == (0, 1)


def test_what_is_nearly_in_training_counts_only_in_the_official_accuracy() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 48, 48), dtype=np.uint8)
    images[3] = images[0] // 2 + 60  # a Training face in another light
    images[:, :, 0], images[:, :, -1] = 255, 0
    usage = np.array(["Training", "Training", "PublicTest", "PublicTest"])
    faces = FaceSet(images, np.array([0, 0, 0, 5]), usage)
    answers = answer(reader(Brightness(), CPU), faces.part("PublicTest"), faces)
    assert answers.leaked.tolist() == [False, True]
    unclear = FaceSet(images, np.array([UNLABELLED, 0, 0, 5]), usage)  # the twin lost its label to FER+'s voters
    assert answer(reader(Brightness(), CPU), faces.part("PublicTest"), unclear).leaked.tolist() == [False, True]
    worth = assess(answers)
    assert (worth["n"], worth["accuracy"], worth["accuracy_without_leak"]) == (2, 0.5, 1.0)
    assert assess(answer(reader(Brightness(), CPU), faces.part("Training"), faces))["accuracy_without_leak"] is None
    alone = faces.part("PublicTest")  # where there is no Training, nobody knows
    assert assess(answer(reader(Brightness(), CPU), alone, alone))["accuracy_without_leak"] is None
    assert worth["per_class"]["angry"] == {"precision": pytest.approx(0.5), "recall": 1.0, "n": 1}
    assert worth["per_class"]["happy"] == {"precision": None, "recall": None, "n": 0}  # of none, not none of some


def test_validation_and_every_test_are_examined(faces: FaceSet) -> None:
    answers = examine(reader(Brightness(), CPU), faces)
    assert list(answers.part.unique()) == ["validation", "PublicTest"]
    rows = answers[answers.part == "PublicTest"]
    assert rows.label.tolist() == faces.part("PublicTest").labels.tolist()
    found = scores(answers)
    assert found["PublicTest_accuracy"] == (rows.label == rows.predicted).mean()
    assert found["PublicTest_faces"] == len(rows)
