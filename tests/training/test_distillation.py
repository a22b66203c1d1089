import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_utils.data.faces import CLASSES, FaceSet, split
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import InputError
from fer_utils.models import weights
from fer_utils.models.zoo import build
from fer_utils.training import distillation
from fer_utils.training.distillation import Teacher, distillation_loss, teacher_logits
from fer_utils.training.loop import train
from fer_utils.training.metrics import logits
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, open_teacher, results, train_run
from tests.training.test_loop import barred, parts

CPU = torch.device("cpu")
SHORT = named_recipe("quick", 2)


def teacher_of(folder: Path, seed: int = 0) -> Teacher:
    """A cnn-48k with random weights, in a file."""
    path = folder / f"teacher-{seed}.safetensors"
    weights.save(build("cnn-48k", seed), "cnn-48k", path)
    return open_teacher(str(path))


def taught(teachers: list[Teacher], images: np.ndarray, folder: Path) -> torch.Tensor:
    return teacher_logits(teachers, CLASSES, images, CPU, folder)


def test_the_loss_is_that_of_the_paper() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0 * math.log(3), 0.0]])
    # Divided by the temperature 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2; times 2 squared.
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-5)
    assert distillation_loss(teacher, teacher, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_teachers_answer_with_their_mean_on_a_face_and_its_mirror_image(faces: FaceSet, tmp_path: Path) -> None:
    images = split(faces)[0].images
    teachers = [teacher_of(tmp_path, seed) for seed in (0, 1)]
    seen = torch.from_numpy(np.concatenate([images, images[:, :, ::-1]]))
    nets = [weights.load_weights(teacher.weights).net for teacher in teachers]
    expected = torch.stack([logits(net, seen) for net in nets]).unflatten(1, (2, -1)).mean((0, 1))
    torch.testing.assert_close(taught(teachers, images, tmp_path / "logits"), expected, atol=2e-3, rtol=2e-3)  # float16


def test_a_teacher_answers_once(faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, teacher, folder = split(faces)[0].images, teacher_of(tmp_path), tmp_path / "logits"
    first = taught([teacher], images, folder)
    computed: list[Path] = []
    original = distillation._write_logits
    monkeypatch.setattr(distillation, "_write_logits", lambda *rest: computed.append(rest[0]) or original(*rest))  # type: ignore[func-returns-value]
    assert torch.equal(taught([teacher], images, folder), first)
    assert not computed
    taught([teacher, teacher_of(tmp_path, 1)], images, folder)
    assert len(computed) == 1
    taught([teacher], images[::-1].copy(), folder)  # each row has its own answer
    assert len(computed) == 2
    computed[0].write_bytes(b"cut short")
    assert taught([teacher, teacher_of(tmp_path, 1)], images, folder).isfinite().all()
    assert len(computed) == 3


def test_teachers_of_other_classes_are_refused(faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 7 classes .*, the student has 8"):
        teacher_logits([teacher_of(tmp_path)], VOTE_CLASSES, faces.images, CPU, tmp_path)


def test_a_student_learns_what_the_teachers_say_and_not_the_labels(faces: FaceSet) -> None:
    training, validation = parts(faces)
    always_sad = torch.full((len(training.images), 7), -4.0)
    always_sad[:, 4] = 4.0
    chosen = dataclasses.replace(SHORT, epochs=8, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, teacher_logits=always_sad)
    assert (logits(state.average.eval(), torch.from_numpy(validation.images)).argmax(1) == 4).all()


def test_each_face_learns_its_own_answers() -> None:
    training, validation = parts(barred())
    answers = 8.0 * torch.nn.functional.one_hot(torch.from_numpy(training.classes), 7)
    training = dataclasses.replace(training, targets=np.roll(training.targets, 1, axis=0))
    chosen = dataclasses.replace(SHORT, epochs=4, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, teacher_logits=answers)
    assert state.history[-1]["validation_accuracy"] > 0.8  # chance is 1/7


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
