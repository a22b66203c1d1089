import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from fer_utils.data.augment import Augmentation
from fer_utils.data.faces import FaceSet, split
from fer_utils.data.targets import Examples, examples
from fer_utils.errors import FerError, InputError
from fer_utils.models.zoo import build
from fer_utils.training import loop
from fer_utils.training.devices import pick_device
from fer_utils.training.loop import TrainState, learning_rate, train
from fer_utils.training.recipe import RECIPES, Recipe, named_recipe, non_default_fields
from tests.conftest import faces_of

CPU = torch.device("cpu")
SHORT = dataclasses.replace(named_recipe("quick"), epochs=2)


def parts(faces: FaceSet) -> tuple[Examples, Examples]:
    training, validation = split(faces)
    return examples(training, "labels", 0.05), examples(validation, "labels")


def last(faces: FaceSet, chosen: Recipe, seed: int = 0) -> TrainState:
    *_, state = train(build("cnn-48k", seed), *parts(faces), chosen, seed, CPU)
    return state


def barred() -> FaceSet:
    """Faces with a bar whose height tells the class."""
    drawn = faces_of(560)
    for image, label in zip(drawn.images, drawn.labels, strict=True):
        image[6 * label : 6 * label + 5] = 255
    return drawn


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("averaging", [0.0, 0.996])
def test_a_net_learns_what_can_be_seen(averaging: float) -> None:
    history = last(barred(), dataclasses.replace(SHORT, epochs=4, batch_size=16, averaging=averaging)).history
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["validation_accuracy"] > 0.8  # chance is 1/7
    assert history[-1]["training_loss"] < history[0]["training_loss"]


def test_the_same_seed_gives_the_same_weights(faces: FaceSet) -> None:
    assert equal(last(faces, SHORT, 1).kept, last(faces, SHORT, 1).kept)
    assert not equal(last(faces, SHORT, 1).kept, last(faces, SHORT, 2).kept)


# Every recipe on a net of growing sizes; nets of one size and with dropout.
@pytest.mark.parametrize(
    ("model", "name"), [*(("compact-46k", name) for name in RECIPES), ("cnn-48k", "full"), ("mobilenet-46k", "full")]
)
def test_every_recipe_goes_on_from_a_state_as_if_it_had_not_stopped(model: str, name: str, faces: FaceSet) -> None:
    assert_goes_on(model, named_recipe(name, epochs=3), faces)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("model", ["compact-46k", "cnn-48k"])
def test_a_gpu_trains_as_a_cpu_does(model: str, faces: FaceSet) -> None:
    # All chance is drawn on the CPU, so that only rounding differs; by SGD-like steps, since Adam's first are signs.
    chosen = dataclasses.replace(named_recipe("full", epochs=2), learning_rate=1e-4, sides_px=(48,))
    found = []
    for device in (CPU, torch.device("cuda")):
        *_, state = train(build(model), *parts(faces), chosen, 0, device)
        found.append([(row["training_loss"], row["validation_loss"]) for row in state.history])
    assert np.array(found[1]) == pytest.approx(np.array(found[0]), rel=1e-3)


def test_a_distilled_network_resumes_as_if_it_had_not_stopped(faces: FaceSet) -> None:
    assert_goes_on("compact-46k", named_recipe("full", epochs=3), faces, torch.randn(len(split(faces)[0]), 7))


def assert_goes_on(model: str, chosen: Recipe, faces: FaceSet, answers: torch.Tensor | None = None) -> None:
    def states(resume: dict[str, Any] | None = None) -> Iterator[TrainState]:
        return train(build(model), *parts(faces), chosen, 0, CPU, resume=resume, teacher_logits=answers)

    first = next(states())
    assert first.epoch == 1
    (*_, resumed), (*_, whole) = states(_saved(first.state_dict())), states()
    assert equal(resumed.kept, whole.kept)
    assert equal(resumed.model.state_dict(), whole.model.state_dict())
    timeless = [[{**row, "seconds": 0} for row in state.history] for state in (resumed, whole)]
    assert timeless[0] == timeless[1]


def _saved(value: Any) -> Any:
    import io

    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file)


def test_keep_best_keeps_the_best_epoch(faces: FaceSet) -> None:
    chosen = dataclasses.replace(named_recipe("original", 30), batch_size=16, learning_rate=0.05)
    weights, accuracies = [], []
    for state in train(build("cnn-48k"), *parts(faces), chosen, 0, CPU):
        weights.append(copy.deepcopy(state.model.state_dict()))
        accuracies.append(state.history[-1]["validation_accuracy"])
        if accuracies[-1] < max(accuracies):
            break
    else:
        pytest.fail("no epoch was worse than one before it: the last one's weights would do as well")
    assert equal(state.kept, weights[accuracies.index(max(accuracies))])


def test_a_loss_that_is_not_finite_stops_at_once(faces: FaceSet) -> None:
    wild = dataclasses.replace(SHORT, learning_rate=1e30, schedule="constant")
    with pytest.raises(FerError, match=r"infinite or NaN in epoch 1, step [2-9]: the learning rate is too high"):
        last(faces, wild)


def test_training_leaves_the_global_chance_alone(faces: FaceSet) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    last(faces, SHORT)
    assert torch.equal(torch.rand(1), expected)


def test_the_original_recipe_is_the_originals() -> None:
    found = named_recipe("original")
    assert (found.optimizer, found.learning_rate, found.batch_size, found.epochs) == ("adam", 5e-4, 128, 150)
    assert found.augmentation == Augmentation(rotation_degrees=15)


def test_a_field_at_its_default_is_no_part_of_a_recipes_identity() -> None:
    assert "averaging" not in non_default_fields(named_recipe("quick"))
    assert non_default_fields(named_recipe("full"))["averaging"] == named_recipe("full").averaging
    assert non_default_fields(named_recipe("full"))["augmentation"]["contrast"] > 0


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown recipe 'slow'\. Known: original, quick, full"):
        named_recipe("slow")
    with pytest.raises(InputError, match="epochs 0: must be 1 or more"):
        named_recipe("quick", 0)
    with pytest.raises(InputError, match=r"unknown device 'tpu'\. .*Known: auto, cpu, cuda"):
        pick_device("tpu")


def test_faces_grow_for_equal_shares_of_the_epochs() -> None:
    assert [named_recipe("full", 7).side_px(epoch) for epoch in range(1, 8)] == [32, 32, 32, 40, 40, 48, 48]
    assert [named_recipe("full", 2).side_px(epoch) for epoch in (1, 2)] == [40, 48]
    assert named_recipe("full", 1).side_px(1) == 48  # the last faces are as large as those that are measured
    assert named_recipe("quick", 2).side_px(2) == 48


def test_only_nets_that_average_over_the_map_see_small_faces(faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = loop.render_view
    monkeypatch.setattr(loop, "render_view", lambda *rest: seen.append(rest[-1]) or original(*rest))  # type: ignore[func-returns-value]
    for name in ("cnn-48k", "vgg-1.9m"):
        list(train(build(name), *parts(faces), named_recipe("full", 3), 0, CPU))
    half = len(seen) // 2
    assert sorted(set(seen[:half])) == [32, 40, 48]
    assert set(seen[half:]) == {48}


@pytest.mark.parametrize(("name", "used"), [("quick", {0.25, 0.5}), ("full", {0.0}), ("large", {0.25, 0.5})])
def test_a_recipe_decides_whether_dropout_is_used(name: str, used: set[float], faces: FaceSet) -> None:
    model = build("mobilenet-46k")
    list(train(model, *parts(faces), named_recipe(name, 1), 0, CPU))
    assert {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)} == used


def test_the_learning_rate_is_that_of_one_cycle() -> None:
    full, steps = named_recipe("full"), 1000
    rates = [learning_rate(full, step, steps) for step in range(steps)]
    assert rates[0] == pytest.approx(full.learning_rate / 25, rel=0.01)
    assert max(rates) == pytest.approx(full.learning_rate, rel=1e-4)
    assert rates.index(max(rates)) in range(249, 251)
    assert rates[-1] < full.learning_rate / 10_000
    assert learning_rate(full, 0, 1) > 0  # a single step does not divide by zero
    assert learning_rate(named_recipe("original"), 500, steps) == 5e-4


def test_votes_that_have_no_majority_are_learned_and_not_counted(faces: FaceSet) -> None:
    training, validation = parts(faces)
    unclear = dataclasses.replace(validation, classes=np.where(np.arange(len(validation.classes)) < 3, 0, -1))
    *_, state = train(build("cnn-48k"), training, unclear, SHORT, 0, CPU)
    assert state.history[-1]["validation_accuracy"] in [pytest.approx(n / 3) for n in range(4)]
