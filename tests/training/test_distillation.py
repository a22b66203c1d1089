import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from fer_utils.data.augment import render_view
from fer_utils.data.faces import CLASSES, FaceSet, split
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import InputError
from fer_utils.models import weights
from fer_utils.models.zoo import build
from fer_utils.training import distillation, loop
from fer_utils.training.distillation import Teacher, distillation_loss, teacher_logits, view_of
from fer_utils.training.evaluate import logits
from fer_utils.training.loop import train
from fer_utils.training.recipe import Recipe, named_recipe
from fer_utils.training.runs import Run, open_teacher, results, train_run
from tests.training.test_loop import barred, parts

CPU = torch.device("cpu")
SHORT = dataclasses.replace(named_recipe("quick", 2), views=2)


def teacher_of(folder: Path, seed: int = 0) -> Teacher:
    """A cnn-48k with random weights, in a file."""
    path = folder / f"teacher-{seed}.safetensors"
    weights.save(build("cnn-48k", seed), "cnn-48k", path)
    return open_teacher(str(path))


def taught(teachers: list[Teacher], images: np.ndarray, folder: Path, recipe: Recipe = SHORT) -> torch.Tensor:
    return teacher_logits(teachers, CLASSES, images, recipe, "float32", CPU, folder)


def test_the_loss_is_that_of_the_paper() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0 * math.log(3), 0.0]])
    # Divided by the temperature 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2; times 2 squared.
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-5)
    assert distillation_loss(teacher, teacher, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_teachers_answer_to_each_view_with_their_mean(faces: FaceSet, tmp_path: Path) -> None:
    training, _ = split(faces)
    teachers = [teacher_of(tmp_path, seed) for seed in (0, 1)]
    answers = taught(teachers, training.images, tmp_path / "logits")
    assert answers.shape == (2, len(training), 7)
    images = torch.from_numpy(training.images)
    nets = [weights.load_weights(teacher.weights).net for teacher in teachers]
    with torch.inference_mode():
        for number in range(2):
            view = view_of(images, SHORT.augmentation, number)
            seen = render_view(images, view, torch.arange(len(images)), 48)
            expected = torch.stack([net(seen) for net in nets]).mean(0)
            torch.testing.assert_close(answers[number].float(), expected, atol=2e-3, rtol=2e-3)  # float16
    assert not torch.allclose(answers[0], answers[1])


def test_a_view_is_answered_once(faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher, folder = split(faces)[0].images, teacher_of(tmp_path), tmp_path / "logits"
    first = taught([teacher], images, folder)
    computed: list[int] = []
    original = distillation._write_logits
    monkeypatch.setattr(distillation, "_write_logits", lambda *rest: computed.append(1) or original(*rest))  # type: ignore[func-returns-value]
    assert torch.equal(taught([teacher], images, folder), first)
    assert not computed
    taught([teacher], images, folder, dataclasses.replace(SHORT, epochs=3, views=3))
    assert len(computed) == 1
    taught([teacher, teacher_of(tmp_path, 1)], images, folder)
    assert len(computed) == 3  # the second teacher's two views


def test_a_view_that_another_process_computes_is_waited_for_last(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, teacher, folder = split(faces)[0].images, teacher_of(tmp_path), tmp_path / "logits"
    expected = taught([teacher], images, folder)
    first, second = sorted(folder.glob("*/view-*.npy"))
    content = first.read_bytes()
    first.unlink()
    second.unlink()
    other = FileLock(first.with_suffix(".lock"))
    other.acquire()
    original = distillation._write_logits

    def write(file: Path, *rest: Any) -> None:
        original(file, *rest)
        assert file == second  # the one that nobody else computes comes first
        first.write_bytes(content)
        other.release()

    monkeypatch.setattr(distillation, "_write_logits", write)
    assert torch.equal(taught([teacher], images, folder), expected)


def test_teachers_of_other_classes_are_refused(faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"knows 7 classes .*, the student learns 8"):
        teacher_logits([teacher_of(tmp_path)], VOTE_CLASSES, faces.images, SHORT, "float32", CPU, tmp_path)


def test_a_student_learns_what_the_teachers_say_and_not_the_labels(faces: FaceSet) -> None:
    training, validation = parts(faces)
    always_sad = torch.full((2, len(training.images), 7), -4.0)
    always_sad[:, :, 4] = 4.0
    chosen = dataclasses.replace(SHORT, epochs=8, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, teacher_logits=always_sad)
    assert (logits(state.average.eval(), torch.from_numpy(validation.images)).argmax(1) == 4).all()


def test_each_face_learns_its_own_answers() -> None:
    training, validation = parts(barred())
    answers = 8.0 * torch.nn.functional.one_hot(torch.from_numpy(training.classes), 7).repeat(2, 1, 1)
    training = dataclasses.replace(training, targets=np.roll(training.targets, 1, axis=0))
    chosen = dataclasses.replace(SHORT, epochs=4, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, teacher_logits=answers)
    assert state.history[-1]["validation_accuracy"] > 0.8  # chance is 1/7


def test_a_recipe_weighs_teachers_and_targets() -> None:
    outputs, targets, answers = torch.randn(4, 7), torch.eye(7)[:4], torch.randn(4, 7)
    taught, hard = distillation_loss(outputs, answers, 2.0), torch.nn.functional.cross_entropy(outputs, targets)
    for weight in (1.0, 0.25, 0.0):
        found = loop._loss(outputs, targets, answers, dataclasses.replace(SHORT, teacher_weight=weight))
        torch.testing.assert_close(found, weight * taught + (1 - weight) * hard)
    torch.testing.assert_close(loop._loss(outputs, targets, None, SHORT), hard)


def test_a_distilled_run_is_another_run_and_names_its_teacher(faces: FaceSet, tmp_path: Path) -> None:
    plain = Run("cnn-48k", SHORT, 0, faces.fingerprint, tmp_path)
    train_run(plain, faces, CPU)
    distilled = Run("cnn-48k", SHORT, 0, faces.fingerprint, tmp_path, teachers=(plain.teacher,))
    assert distilled.folder != plain.folder
    train_run(distilled, faces, CPU)
    assert list(results([plain.folder, distilled.folder]).teachers) == ["", f"cnn-48k@{plain.key[:8]}"]
    # The run names the teacher, wherever its folder lies; a copy of its weights alone is another teacher.
    assert open_teacher(str(plain.folder)) == plain.teacher
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(plain.teacher.weights.read_bytes())
    assert open_teacher(str(copied)).key == f"weights:{weights.digest(copied)}" != plain.teacher.key


def test_students_of_all_seeds_see_the_same_views_but_for_the_flip(faces: FaceSet) -> None:
    images = torch.from_numpy(faces.images)
    answers = torch.randn(2, len(images), 7)
    generators = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    (one, shown), (other, also) = (loop._view(images, SHORT, 3, generator, answers) for generator in generators)
    assert shown is not None
    assert also is not None
    assert torch.equal(shown, answers[0])  # of two views, the third epoch shows the first again
    assert torch.equal(shown, also)
    assert torch.equal(one.tones, other.tones)
    assert torch.equal(one.matrices[:, :, 1:], other.matrices[:, :, 1:])
    assert torch.equal(one.matrices.abs(), other.matrices.abs())
    assert not torch.equal(one.matrices, other.matrices)


def test_the_same_faces_in_another_order_are_answered_anew(faces: FaceSet, tmp_path: Path) -> None:
    images, teacher = split(faces)[0].images, teacher_of(tmp_path)
    turned = images[::-1].copy()
    answers = [taught([teacher], order, tmp_path / "logits") for order in (images, turned)]
    assert not torch.equal(answers[0].flip(1), answers[1])  # each row has its own view
    assert torch.equal(answers[1], taught([teacher], turned, tmp_path / "elsewhere"))
