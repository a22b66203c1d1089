import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_utils.data.augment import look
from fer_utils.data.faces import FaceSet, split
from fer_utils.models import weights
from fer_utils.models.zoo import build
from fer_utils.training import distill, loop
from fer_utils.training.distill import distillation_loss, teach, view_of
from fer_utils.training.evaluate import answer, reader
from fer_utils.training.loop import train
from fer_utils.training.recipe import named_recipe
from fer_utils.training.runs import Run, results, train_run
from tests.training.test_loop import barred

CPU = torch.device("cpu")
SHORT = dataclasses.replace(named_recipe("quick", 2), views=2)


def file_of(folder: Path, seed: int = 0) -> str:
    """A cnn-48k with random weights, as a file."""
    path = folder / f"teacher-{seed}.safetensors"
    weights.save(build("cnn-48k", seed), "cnn-48k", path)
    return str(path)


def test_the_loss_is_that_of_the_paper() -> None:
    student, teacher = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0 * math.log(3), 0.0]])
    # Divided by the temperature 2 the teacher says 3/4 and 1/4, the student 1/2 and 1/2; times 2 squared.
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-5)
    assert distillation_loss(teacher, teacher, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_teachers_answer_to_each_view_with_their_mean(faces: FaceSet, tmp_path: Path) -> None:
    training, _ = split(faces)
    files = [file_of(tmp_path, seed) for seed in (0, 1)]
    answers = teach(files, training, SHORT, CPU, tmp_path / "teaching")
    assert answers.shape == (2, len(training), 7)
    images = torch.from_numpy(training.images)
    nets = [weights.load_weights(Path(file))[1] for file in files]
    with torch.inference_mode():
        for number in range(2):
            seen = look(images, view_of(images, SHORT.augmentation, number), torch.arange(len(images)), 48)
            expected = torch.stack([net(seen) for net in nets]).mean(0)
            torch.testing.assert_close(answers[number].float(), expected, atol=0.03, rtol=0.03)  # bfloat16 and float16
    assert not torch.allclose(answers[0], answers[1])


def test_a_view_is_answered_once(faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = split(faces)
    file, folder = file_of(tmp_path), tmp_path / "teaching"
    first = teach([file], training, SHORT, CPU, folder)
    computed: list[int] = []
    original = distill._logits
    monkeypatch.setattr(distill, "_logits", lambda *rest: computed.append(1) or original(*rest))  # type: ignore[func-returns-value]
    assert torch.equal(teach([file], training, SHORT, CPU, folder), first)
    assert not computed
    teach([file], training, dataclasses.replace(SHORT, epochs=3, views=3), CPU, folder)
    assert len(computed) == 1
    teach([file, file_of(tmp_path, 1)], training, SHORT, CPU, folder)
    assert len(computed) == 3  # the second teacher's two views


def test_a_student_learns_what_the_teachers_say_and_not_the_labels(faces: FaceSet) -> None:
    training, validation = split(faces)
    always_sad = torch.full((2, len(training), 7), -4.0)
    always_sad[:, :, 4] = 4.0
    chosen = dataclasses.replace(SHORT, epochs=8, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, None, always_sad)
    model = build("cnn-48k")
    model.load_state_dict(state["kept"])
    assert (answer(reader(model, CPU), validation, validation).predicted == 4).all()


def test_each_face_learns_its_own_answers() -> None:
    training, validation = split(barred())
    answers = 8.0 * torch.nn.functional.one_hot(torch.from_numpy(training.labels), 7).repeat(2, 1, 1)
    training = dataclasses.replace(training, labels=np.roll(training.labels, 1))
    chosen = dataclasses.replace(SHORT, epochs=4, batch_size=16)
    *_, state = train(build("cnn-48k"), training, validation, chosen, 0, CPU, None, answers)
    assert state["history"][-1]["validation_accuracy"] > 0.8  # chance is 1/7


def test_a_taught_run_is_another_run_and_says_who_taught_it(faces: FaceSet, tmp_path: Path) -> None:
    plain = Run("cnn-48k", SHORT, 0, faces.fingerprint, tmp_path)
    train_run(plain, faces, CPU)
    taught = Run("cnn-48k", SHORT, 0, faces.fingerprint, tmp_path, (str(plain.folder),))
    assert taught.folder != plain.folder
    train_run(taught, faces, CPU)
    teacher = f"cnn-48k@{distill.digest(str(plain.folder))[:8]}"
    assert list(results([plain.folder, taught.folder]).teachers) == ["", teacher]
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes((plain.folder / "weights.safetensors").read_bytes())
    assert Run("cnn-48k", SHORT, 0, faces.fingerprint, tmp_path, (str(copied),)).folder == taught.folder


def test_students_of_all_seeds_see_the_same_views_but_for_the_flip(faces: FaceSet) -> None:
    images = torch.from_numpy(faces.images)
    teaching = torch.randn(2, len(images), 7)
    generators = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    (one, taught), (other, also) = (loop._view(images, SHORT, 3, generator, teaching) for generator in generators)
    assert taught is not None
    assert also is not None
    assert torch.equal(taught, teaching[0])  # of two views, the third epoch shows the first again
    assert torch.equal(taught, also)
    assert torch.equal(one.tones, other.tones)
    assert torch.equal(one.matrices[:, :, 1:], other.matrices[:, :, 1:])
    assert torch.equal(one.matrices.abs(), other.matrices.abs())
    assert not torch.equal(one.matrices, other.matrices)


def test_the_same_faces_in_another_order_are_answered_anew(faces: FaceSet, tmp_path: Path) -> None:
    training, _ = split(faces)
    turned = training[np.arange(len(training))[::-1].copy()]
    file, folder = file_of(tmp_path), tmp_path / "teaching"
    answers = {
        name: teach([file], part, SHORT, CPU, folder) for name, part in (("as is", training), ("turned", turned))
    }
    images = torch.from_numpy(turned.images)
    seen = look(images, view_of(images, SHORT.augmentation, 0), torch.arange(len(images)), 48)
    with torch.inference_mode():
        expected = weights.load_weights(Path(file))[1](seen)
    torch.testing.assert_close(answers["turned"][0].float(), expected, atol=0.03, rtol=0.03)
    assert not torch.equal(answers["as is"].flip(1), answers["turned"])
