import pytest
import torch

from fer_utils.data.augment import Augmentation, augment, batches, to_input

STRONG = Augmentation(rotation_degrees=15, shift_px=4, zoom=0.15, contrast=0.25)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (40, 48, 48), dtype=torch.uint8, generator=generator())


def test_no_change_changes_nothing(images: torch.Tensor) -> None:
    inputs = to_input(images)
    torch.testing.assert_close(augment(inputs, Augmentation(flip=False), generator()), inputs, atol=1e-4, rtol=0)


def test_a_flip_mirrors_about_half_and_leaves_the_rest(images: torch.Tensor) -> None:
    inputs = to_input(images)
    outputs = augment(inputs, Augmentation(flip=True), generator())
    same = (outputs - inputs).abs().amax((1, 2, 3)) < 1e-3
    mirrored = (outputs - inputs.flip(3)).abs().amax((1, 2, 3)) < 1e-3
    assert (same ^ mirrored).all()
    assert 8 < same.sum() < 32


def test_a_shift_moves_by_at_most_so_many_pixels() -> None:
    image = torch.zeros(200, 48, 48, dtype=torch.uint8)
    image[:, 24, 24] = 255
    outputs = augment(to_input(image), Augmentation(flip=False, shift_px=3), generator())
    rows = outputs.amax(3).squeeze(1).argmax(1)
    assert rows.min() >= 20
    assert rows.max() <= 28
    assert len(rows.unique()) > 4


def test_an_epoch_is_every_face_once_with_its_label(images: torch.Tensor) -> None:
    images[:, 0, 0] = torch.arange(40)
    none = Augmentation(flip=False)
    found = [(x[:, 0, 0, 0] * 64 + 127.5, y) for x, y in batches(images, torch.arange(40), 8, none, generator())]
    marks, labels = torch.cat([x for x, _ in found]), torch.cat([y for _, y in found])
    assert sorted(labels.tolist()) == list(range(40))
    assert (marks.round() == labels).float().mean() > 0.9  # the corner's pixel is resampled


def test_the_same_generator_gives_the_same_batches(images: torch.Tensor) -> None:
    labels = torch.arange(40)
    first, again = (list(batches(images, labels, 16, STRONG, generator(3))) for _ in range(2))
    assert len(first) == 2
    for (x, y), (u, v) in zip(first, again, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)
    other = next(batches(images, labels, 16, STRONG, generator(4)))
    assert not torch.equal(first[0][0], other[0])


def test_fewer_faces_than_a_batch_are_one_batch(images: torch.Tensor) -> None:
    found = list(batches(images, torch.arange(40), 64, STRONG, generator()))
    assert [len(x) for x, _ in found] == [40]
