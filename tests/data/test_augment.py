from typing import Any

import pytest
import torch

from fer_utils.data.augment import Augmentation, View, crops, draw_view, flipped, render_view, shuffled, to_input

NONE = Augmentation()
STRONG = Augmentation(rotation_degrees=15, shift_px=4, zoom=0.15, contrast=0.25)
ALL = torch.arange(40)
CLOSE: dict[str, Any] = {"atol": 1e-4, "rtol": 0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (40, 48, 48), dtype=torch.uint8, generator=generator())


def test_no_change_changes_nothing(images: torch.Tensor) -> None:
    seen = render_view(images, draw_view(images, NONE, generator()), ALL, 48)
    torch.testing.assert_close(seen, to_input(images), **CLOSE)


def test_a_flip_mirrors_about_half_and_leaves_the_rest(images: torch.Tensor) -> None:
    inputs = to_input(images)
    outputs = render_view(images, flipped(draw_view(images, NONE, generator()), generator(1)), ALL, 48)
    same = (outputs - inputs).abs().amax((1, 2, 3)) < 1e-3
    mirrored = (outputs - inputs.flip(3)).abs().amax((1, 2, 3)) < 1e-3
    assert (same ^ mirrored).all()
    assert 8 < same.sum() < 32


def test_a_flipped_view_is_the_view_mirrored(images: torch.Tensor) -> None:
    view = draw_view(images, STRONG, generator())
    plain, other = (render_view(images, v, ALL, 48) for v in (view, flipped(view, generator(1))))
    same = (other - plain).abs().amax((1, 2, 3)) < 1e-3
    mirrored = (other - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-3
    assert (same ^ mirrored).all()


def test_a_shift_moves_by_at_most_so_many_pixels() -> None:
    image = torch.zeros(200, 48, 48, dtype=torch.uint8)
    image[:, 24, 24] = 255
    view = draw_view(image, Augmentation(shift_px=3), generator())
    rows = render_view(image, view, torch.arange(200), 48).amax(3).squeeze(1).argmax(1)
    assert rows.min() >= 20
    assert rows.max() <= 28
    assert len(rows.unique()) > 4


def test_a_smaller_side_shows_the_same_face_smaller(images: torch.Tensor) -> None:
    image = images[:1].clone()
    image[:, :24], image[:, 24:] = 0, 255
    seen = render_view(image, draw_view(image, NONE, generator()), torch.tensor([0]), 32)
    assert seen.shape == (1, 1, 32, 32)
    assert (seen[:, :, :15] < -1.9).all()
    assert (seen[:, :, 17:] > 1.9).all()


def test_an_epoch_is_every_row_once() -> None:
    found = torch.cat(list(shuffled(40, 8, generator())))
    assert sorted(found.tolist()) == list(range(40))
    assert found.tolist() != list(range(40))
    assert [len(rows) for rows in shuffled(40, 16, generator())] == [16, 16]


def test_fewer_faces_than_a_batch_are_one_batch() -> None:
    assert [len(rows) for rows in shuffled(40, 64, generator())] == [40]


def test_the_same_generator_gives_the_same_view(images: torch.Tensor) -> None:
    first, again, other = (render_view(images, draw_view(images, STRONG, generator(s)), ALL, 48) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_face_is_changed_the_same_in_whatever_batch_it_comes(images: torch.Tensor) -> None:
    view = draw_view(images, STRONG, generator())
    torch.testing.assert_close(render_view(images, view, ALL[7:9], 48), render_view(images, view, ALL, 48)[7:9])


def test_crops_are_sharp_images_that_move_with_the_view() -> None:
    image = torch.zeros(1, 48, 48, dtype=torch.uint8)
    image[:, :, 20:28] = 200
    still = View(torch.eye(2, 3)[None], torch.tensor([[1.0, 0.0]]))
    assert torch.equal(crops(image, still), image)
    moved = View(torch.tensor([[[1.0, 0.0, 2 * 8 / 48], [0.0, 1.0, 0.0]]]), still.tones)  # by 8 pixels
    assert torch.equal(crops(image, moved)[:, :, :40], image[:, :, 8:])
    edge = torch.full((1, 48, 48), 90, dtype=torch.uint8)
    assert (crops(edge, moved) == 90).all()  # outside, the edge is repeated
