import numpy as np
import pytest

from fer_utils.data.faces import (
    CLASSES,
    ROUNDING,
    FaceSet,
    _outlines,
    _patterns,
    counts,
    leaked,
    mark_duplicates,
    repeats,
    split,
)
from fer_utils.errors import FerError


def join(*sets: FaceSet) -> FaceSet:
    images, labels, usage = ([getattr(s, name) for s in sets] for name in ("images", "labels", "usage"))
    return FaceSet(np.concatenate(images), np.concatenate(labels), np.concatenate(usage))


def test_validation_is_a_tenth_of_every_class(faces: FaceSet) -> None:
    training, validation = split(faces)
    assert len(training) + len(validation) == len(faces.part("Training"))
    for label in range(len(CLASSES)):
        whole = (faces.part("Training").labels == label).sum()
        assert (validation.labels == label).sum() == round(0.1 * whole)


def test_validation_is_the_same_in_any_order(faces: FaceSet) -> None:
    order = np.random.default_rng(1).permutation(len(faces))
    assert split(faces)[1].fingerprint == split(faces[order])[1].fingerprint


def test_identical_images_lie_on_one_side_whatever_their_labels(faces: FaceSet) -> None:
    training = faces.part("Training")
    relabelled = FaceSet(training.images, (training.labels + 1) % 7, training.usage)
    doubled = join(training, relabelled)
    left, right = split(doubled)
    assert len(right) > 0
    assert not np.isin(left.digests, right.digests).any()


def test_the_fingerprint_depends_on_the_content_alone(faces: FaceSet) -> None:
    order = np.random.default_rng(2).permutation(len(faces))
    assert faces[order].fingerprint == faces.fingerprint
    for name, change in (("images", 1), ("labels", 1), ("usage", None)):
        parts = {key: getattr(faces, key).copy() for key in ("images", "labels", "usage")}
        parts[name][5] = "PrivateTest" if change is None else (parts[name][5] + change) % 7
        assert FaceSet(**parts).fingerprint != faces.fingerprint, name


def test_repeats_counts_what_is_there_twice(faces: FaceSet) -> None:
    training, public = faces.part("Training"), faces.part("PublicTest")
    flat = FaceSet(np.full((1, 48, 48), 9, np.uint8), np.array([0]), np.array(["Training"]))
    conflict = FaceSet(training.images[:1], training.labels[:1] + 1, training.usage[:1])
    leak = FaceSet(training.images[:3], training.labels[:3], np.array(["PublicTest"] * 3))
    found = repeats(mark_duplicates(join(training, public, flat, conflict, leak)))
    assert found == {
        "repeated within Training": 1,
        "repeated within PublicTest": 0,
        "PublicTest images that Training also holds": 3,
        "PublicTest images that Training also holds, or nearly": 3,
        "groups of identical images with different labels": 1,
        "flat images (one colour)": 1,
    }
    assert leaked(leak, training).all()
    assert not leaked(public, training).any()


def test_nearly_the_same_is_leaked_too(faces: FaceSet) -> None:
    training = faces.part("Training")
    lit = (training.images[:2] // 2 + 40).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 12, (2, 48, 48), dtype=np.uint8)
    noisy = training.images[2:4] // 2 + noise
    other = faces.part("PublicTest").images[:2]
    part = FaceSet(np.concatenate([lit, noisy, other]), np.zeros(6, np.int64), np.array(["PublicTest"] * 6))
    assert leaked(part, training).tolist() == [True] * 4 + [False] * 2


def test_counts_add_up(faces: FaceSet) -> None:
    table = counts(faces)
    assert table.loc["all", "all"] == len(faces)
    assert table.loc["happy", "Training"] == (faces.part("Training").labels == CLASSES.index("happy")).sum()


def test_without_training_faces_there_is_nothing_to_split(faces: FaceSet) -> None:
    with pytest.raises(FerError, match="no labelled Training faces"):
        split(faces.part("PublicTest"))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8 \(N, 48, 48\), not float64 \(2, 48, 48\)"):
        FaceSet(np.zeros((2, 48, 48)), np.zeros(2, np.int64), np.array(["Training"] * 2))


def test_too_few_faces_for_a_validation_part_are_refused(faces: FaceSet) -> None:
    with pytest.raises(FerError, match="20 Training faces are too few"):
        split(faces.part("Training")[np.arange(20)])
    training = faces.part("Training")
    with pytest.raises(FerError, match="identical images together"):
        split(training[np.repeat(np.unique(training.labels, return_index=True)[1], 10)])


def test_the_two_parts_do_not_depend_on_the_order_of_the_file(faces: FaceSet) -> None:
    shuffled = faces[np.random.default_rng(4).permutation(len(faces))]
    for one, other in zip(split(faces), split(shuffled), strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)


def test_duplicates_are_those_of_training_and_all_where_there_is_none(faces: FaceSet) -> None:
    copied = faces.part("Training")[np.arange(2)]
    both = join(faces, FaceSet(copied.images, copied.labels, np.array(["PublicTest"] * 2)))
    marked = mark_duplicates(both)
    assert marked.duplicate is not None
    assert np.array_equal(marked.duplicate, (both.usage == "Training") | (np.arange(len(both)) >= len(faces)))
    assert marked[both.usage != "Training"].duplicate.sum() == 2  # type: ignore[union-attr]
    assert mark_duplicates(faces.part("PublicTest")).duplicate.all()  # type: ignore[union-attr]


def test_labels_of_32_bits_become_those_that_pytorch_takes(faces: FaceSet) -> None:
    assert FaceSet(faces.images, faces.labels.astype(np.int32), faces.usage).labels.dtype == np.int64


def test_outlines_bound_the_products_of_patterns(faces: FaceSet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype=np.uint8)
    flat, single = np.full((1, 48, 48), 7, np.uint8), np.zeros((1, 48, 48), np.uint8)
    single[0, 20, 20] = 255
    patterns = _patterns(np.concatenate([faces.images, noise, flat, single]))
    outlines = _outlines(patterns)
    assert outlines.shape == (len(patterns), 145)
    assert (outlines @ outlines.T >= patterns @ patterns.T - ROUNDING / 10).all()
