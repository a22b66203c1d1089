from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.data.faces import USAGES, FaceSet
from fer_utils.data.votes import (
    BALLOT,
    COLUMNS,
    VOTE_CLASSES,
    VoteTable,
    bundle,
    bundled,
    distribution,
    majority,
    match_votes,
    read_votes,
    require_votes,
)
from fer_utils.errors import InputError
from tests.conftest import REAL_DATA

# Faces with a majority by class, and faces with a distribution, as counted for us from FER+'s file.
ORDER = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
MAJORITIES = {
    "Training": [8740, 7287, 3149, 3014, 2100, 119, 532, 119],
    "PublicTest": [1182, 865, 415, 351, 287, 24, 62, 13],
    "PrivateTest": [1090, 893, 396, 384, 273, 18, 83, 16],
}
DISTRIBUTIONS = {"Training": 28_060, "PublicTest": 3_520, "PrivateTest": 3_513}


def ballot(**votes: int) -> np.ndarray:
    """One row of votes, by class; `face` stands for "not a face"."""
    return np.array([[votes.get(name.split()[-1], 0) for name in BALLOT]], np.uint8)


def table_of(faces: FaceSet) -> VoteTable:
    """Votes that agree with the labels. The last two columns number the rows, so that all differ."""
    votes = np.zeros((len(faces), len(BALLOT)), np.uint8)
    votes[:, 8], votes[:, 9] = np.divmod(np.arange(len(faces)), 20)
    votes[np.arange(len(faces)), faces.labels] = 90
    return VoteTable(votes, faces.usage, faces.digests)


def unknown_pixels(table: VoteTable) -> VoteTable:
    return replace(table, digests=np.zeros_like(table.digests))


def write(path: Path, table: VoteTable) -> Path:
    pd.DataFrame(table.votes, columns=COLUMNS).assign(Usage=table.usage).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("usage", USAGES)
def test_the_bundle_has_the_known_counts(usage: str) -> None:
    table = bundled()
    votes = table.votes[table.usage == usage]
    numbers = np.bincount(majority(votes) + 1, minlength=9)[1:]
    assert [numbers[VOTE_CLASSES.index(name)] for name in ORDER] == MAJORITIES[usage]
    shares = distribution(votes).sum(1)
    assert np.sum(shares > 0) == DISTRIBUTIONS[usage]
    assert np.allclose(shares[shares > 0], 1)
    assert (table.digests[table.usage == usage] > 0).all() == (usage != "PrivateTest")


def test_the_bundle_is_small_and_has_ten_votes_a_face() -> None:
    table = bundled()
    assert table.votes.dtype == np.uint8
    assert table.digests.dtype == np.uint64
    assert table.votes.shape == (35_887, 10)
    assert np.sum(table.votes.sum(1) != 10) == 1


@pytest.mark.skipif(not (REAL_DATA / "fer2013new.csv").exists(), reason=f"no real data in {REAL_DATA.name}")
def test_the_bundle_is_the_published_file() -> None:
    table = read_votes(REAL_DATA / "fer2013new.csv")
    assert np.array_equal(table.votes, bundled().votes)
    assert np.array_equal(table.usage, bundled().usage)
    assert np.array_equal(table.digests, bundled().digests)
    for usage in USAGES:
        votes = table.votes[table.usage == usage]
        assert np.sum(majority(votes) >= 0) == sum(MAJORITIES[usage])
        assert np.sum(distribution(votes).any(1)) == DISTRIBUTIONS[usage]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ({"sad": 6, "fear": 4}, "sad"),
        ({"sad": 5, "fear": 5}, None),  # half is not more than half
        ({"sad": 5, "fear": 4, "angry": 1}, "sad"),  # 5 of 9, since the single vote does not count
        ({"sad": 4, "fear": 4, "happy": 2}, None),
        ({"contempt": 6, "angry": 4}, "contempt"),
        ({"unknown": 6, "angry": 4}, None),
        ({"face": 10}, None),
        (dict.fromkeys(VOTE_CLASSES, 1), None),  # nothing is left
        ({}, None),
    ],
)
def test_majority(votes: dict[str, int], expected: str | None) -> None:
    assert majority(ballot(**votes)).tolist() == [-1 if expected is None else VOTE_CLASSES.index(expected)]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ({"sad": 10}, {"sad": 1}),
        ({"sad": 8, "fear": 2}, {"sad": 1}),  # three quarters are reached
        ({"sad": 6, "fear": 2, "angry": 2}, {"sad": 0.6, "fear": 0.2, "angry": 0.2}),  # tied ones together
        ({"sad": 4, "fear": 3, "happy": 2, "angry": 1}, {"sad": 4 / 7, "fear": 3 / 7}),  # 7 of 9
        ({"sad": 6, "unknown": 4}, {"sad": 1}),  # unknown after others is left out
        ({"sad": 6, "unknown": 2, "fear": 2}, {"sad": 0.75, "fear": 0.25}),  # and so is a tied one
        ({"sad": 6, "unknown": 3, "fear": 1}, {"sad": 1}),
        ({"unknown": 4, "sad": 3, "fear": 3}, {}),  # unknown comes first
        ({"sad": 5, "face": 5}, {}),  # half of the votes is too few
        ({"sad": 4, "unknown": 3, "fear": 3}, {"sad": 4 / 7, "fear": 3 / 7}),
        ({"sad": 3, "fear": 2, "angry": 2, "happy": 2}, {"sad": 3 / 9, "fear": 2 / 9, "angry": 2 / 9, "happy": 2 / 9}),
        ({"sad": 6, "fear": 2, "angry": 1, "happy": 1}, {"sad": 1}),  # 6 of 8 are three quarters
        ({"sad": 30, "fear": 22, "angry": 20, "happy": 18, "neutral": 10}, {"sad": 30, "fear": 22, "angry": 20}),
        ({}, {}),
    ],
)
def test_distribution(votes: dict[str, int], expected: dict[str, float]) -> None:
    found = distribution(ballot(**votes))
    wanted = np.array([[expected.get(name, 0) for name in VOTE_CLASSES]]) / max(sum(expected.values()), 1e-9)
    assert found.dtype == np.float32
    assert np.allclose(found, wanted)


def test_rows_are_independent() -> None:
    votes = bundled().votes[:200]
    assert np.array_equal(distribution(votes), np.concatenate([distribution(row[None]) for row in votes]))


def test_faces_match_by_pixels_in_any_order_and_number(faces: FaceSet) -> None:
    table = table_of(faces)
    for index in (np.random.default_rng(0).permutation(len(faces)), np.arange(0, len(faces), 3)):
        assert np.array_equal(match_votes(faces[index], table), table.votes[index])
    renamed = replace(faces, usage=np.full(len(faces), "PublicTest"))
    assert np.array_equal(match_votes(renamed, table), table.votes)


def test_copies_of_an_image_get_its_rows_in_turn_those_of_their_usage_first(faces: FaceSet) -> None:
    training, public = np.flatnonzero(faces.usage == "Training"), np.flatnonzero(faces.usage == "PublicTest")
    images = faces.images.copy()
    images[[training[1], public[0]]] = images[training[0]]
    faces = replace(faces, images=images)
    table = table_of(faces)
    backwards = np.concatenate([public, training])
    assert np.array_equal(match_votes(faces[backwards], table), table.votes[backwards])
    four = match_votes(faces[np.repeat(training[0], 4)], table)
    assert np.array_equal(four[:3], table.votes[[training[0], training[1], public[0]]])
    assert not four[3].any()


def test_faces_with_other_pixels_match_by_order(faces: FaceSet) -> None:
    table = table_of(faces)
    images = faces.images ^ 1
    images[5] = faces.images[9]  # as if re-encoding had left one image unchanged
    reencoded = replace(faces, images=images)
    assert np.array_equal(match_votes(reencoded, table), table.votes)
    assert np.array_equal(match_votes(replace(faces, labels=np.full(168, -1)), unknown_pixels(table)), table.votes)
    only_public = faces[faces.usage == "PublicTest"]
    assert np.array_equal(match_votes(only_public, unknown_pixels(table)), table.votes[faces.usage == "PublicTest"])


def test_faces_in_another_order_or_number_do_not_match_by_order(faces: FaceSet) -> None:
    table = unknown_pixels(table_of(faces))
    assert not match_votes(faces[np.argsort(faces.labels, kind="stable")], table).any()
    votes = match_votes(faces[np.arange(1, len(faces))], table)  # a Training face is missing, and PublicTest is whole
    assert np.array_equal(votes.any(1), faces.usage[1:] == "PublicTest")
    assert not match_votes(faces).any()  # drawn faces are not in FER2013


def test_votes_are_read_from_a_file(faces: FaceSet, tmp_path: Path) -> None:
    table = read_votes(write(tmp_path / "votes.csv", table_of(faces)))
    assert np.array_equal(table.votes, table_of(faces).votes)
    assert table.votes.dtype == np.uint8
    assert not table.digests.any()
    reversed_rows = VoteTable(bundled().votes[::-1], bundled().usage, bundled().digests)
    assert not read_votes(write(tmp_path / "reversed.csv", reversed_rows)).digests.any()


def test_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    with pytest.raises(InputError, match=r"other.csv: cannot be read .*Give fer2013new.csv"):
        read_votes(other)
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"other.csv has no column 'Usage'. Give fer2013new.csv"):
        read_votes(other)
    for wrong in ("many", "", "-1", "300"):
        other.write_text(f"{','.join(('Usage', *COLUMNS))}\nTraining,{wrong}{',0' * 9}\n")
        with pytest.raises(InputError, match="cannot be read"):
            read_votes(other)


def test_votes_that_match_no_face_are_refused(faces: FaceSet, tmp_path: Path) -> None:
    path = write(tmp_path / "votes.csv", table_of(faces))

    def give(some: FaceSet) -> None:
        require_votes(some, match_votes(some, read_votes(path)), path)

    give(faces)
    with pytest.raises(InputError, match=r"votes on 126 Training faces, but drawn has 125 .*original pixels"):
        give(faces[np.arange(1, 126)])
    with pytest.raises(InputError, match=r"agrees with \d+% of the 126 Training labels of drawn.*order of fer2013.csv"):
        give(faces[np.argsort(faces.labels, kind="stable")])


def test_a_bundle_is_written(faces: FaceSet, tmp_path: Path) -> None:
    path, table = write(tmp_path / "votes.csv", table_of(faces)), table_of(faces)
    bundle(path, faces[faces.usage == "Training"], tmp_path / "bundle.npz")
    with np.load(tmp_path / "bundle.npz") as stored:
        assert np.array_equal(stored["votes"], table.votes)
        assert np.array_equal(stored["digests"], np.where(faces.usage == "Training", table.digests, 0))
        assert stored["counts"].tolist() == [126, 42, 0]
    with pytest.raises(InputError, match=r"order of fer2013\.csv"):
        bundle(path, faces[np.argsort(faces.labels, kind="stable")], tmp_path / "wrong.npz")
