"""FER+: ten people's votes on each face of FER2013 (Barsoum et al. 2016, arXiv 1608.01041).

The votes are from github.com/microsoft/FERPlus, under the licence in `FERPLUS-LICENSE`.
"""

import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.faces import CLASSES, UNLABELLED, USAGES, FaceSet
from fer_utils.errors import InputError

VOTE_CLASSES = (*CLASSES, "contempt")
BALLOT = (*VOTE_CLASSES, "unknown", "not a face")
COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt", "unknown", "NF")
BUNDLE = Path(__file__).with_name("ferplus.npz")
LEAST_AGREEMENT = 0.5  # with the labels: 0.64 if both are in the same order, about 0.2 if not


@dataclass(frozen=True, eq=False)
class VoteTable:
    """Votes in the order of fer2013.csv: `votes` uint8 `(M, 10)` with the columns `BALLOT`, `usage` str `(M,)`.

    `digests`, uint64 `(M,)`, are the hashes of the pixels (`FaceSet.digests`), 0 where the pixels are not known.
    """

    votes: np.ndarray
    usage: np.ndarray
    digests: np.ndarray


@cache
def bundled() -> VoteTable:
    """The votes that come with this package, on all 35,887 faces. The digests of PrivateTest are not known."""
    with np.load(BUNDLE) as stored:
        return VoteTable(stored["votes"], np.repeat(USAGES, stored["counts"]), stored["digests"])


def read_votes(path: str | Path) -> VoteTable:
    """Read FER+'s `fer2013new.csv`, or a file with its columns. Raises `InputError` for any other file.

    The digests are those of the bundled table if both tables list the same faces in the same order, otherwise 0.
    """
    table, ours = _read(path), bundled()
    same = np.array_equal(table.usage, ours.usage) and _agreement(ours.votes.argmax(1), table.votes) >= LEAST_AGREEMENT
    return replace(table, digests=ours.digests) if same else table


def _read(path: str | Path) -> VoteTable:
    try:
        rows = pd.read_csv(Path(path).expanduser(), dtype=dict.fromkeys(COLUMNS, np.uint8))
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Expected fer2013new.csv of FER+") from None
    if missing := [name for name in ("Usage", *COLUMNS) if name not in rows]:
        raise InputError(f"{path} has no column {missing[0]!r}. Expected fer2013new.csv of FER+")
    return VoteTable(rows[list(COLUMNS)].to_numpy(), rows.Usage.to_numpy(str), np.zeros(len(rows), np.uint64))


def match_votes(faces: FaceSet, table: VoteTable | None = None) -> np.ndarray:
    """Votes on each face: uint8 `(N, 10)` with the columns `BALLOT`, rows of 0 without votes. Default: bundled votes.

    Faces match by pixels, in any order. The k-th copy of an image gets the k-th row with its pixels, rows of its own
    usage first. If most faces of a usage do not match (PrivateTest, or re-encoded images), that usage matches by row
    order, provided that its number of rows is that of the table and half of its labels, if any, agree with the votes.
    """
    table = table or bundled()
    none = np.zeros((1, len(BALLOT)), np.uint8)
    return np.concatenate([table.votes, none])[_match(faces, table)]  # -1 is the last row


def _match(faces: FaceSet, table: VoteTable) -> np.ndarray:
    """The table's row for each face, -1 for none: int64 `(N,)`."""
    found = np.full(len(faces), -1, np.int64)
    images = pd.DataFrame({"digest": faces.digests, "usage": faces.usage})
    known = pd.DataFrame({"digest": table.digests, "usage": table.usage})[table.digests > 0]
    for keys in (["digest", "usage"], ["digest"]):  # the usages may have been changed
        left, right = images[found < 0], known[~known.index.isin(found)]
        left, right = (part.assign(copy=part.groupby(keys).cumcount(), at=part.index) for part in (left, right))
        pairs = left.merge(right, on=[*keys, "copy"])
        found[pairs.at_x] = pairs.at_y
    for usage in dict.fromkeys(faces.usage):
        mine, rows = np.flatnonzero(faces.usage == usage), np.flatnonzero(table.usage == usage)
        # A few always match: flat images survive JPEG, and Training holds some faces of PrivateTest.
        by_order = np.mean(found[mine] < 0) > 0.5 and len(mine) == len(rows)
        if by_order and _agreement(faces.labels[mine], table.votes[rows]) >= LEAST_AGREEMENT:
            found[mine] = rows
    return found


def _agreement(labels: np.ndarray, votes: np.ndarray) -> float:
    """The share of labels that equal the answer with most votes; 1 without labels."""
    labelled = labels != UNLABELLED
    return float(np.mean((votes.argmax(1) == labels)[labelled])) if labelled.any() else 1.0


def require_votes(faces: FaceSet, votes: np.ndarray, path: str | Path) -> None:
    """Raise an `InputError` that says why no face has a majority in `votes`, which `match_votes` found in `path`."""
    if (majority(votes) != UNLABELLED).any():
        return
    table = _read(path)
    for usage in dict.fromkeys(faces.usage):
        mine, rows = faces.usage == usage, table.usage == usage
        if mine.sum() != rows.sum():
            raise InputError(
                f"{path} has votes on {rows.sum():,} {usage} faces, but {faces.name} has {mine.sum():,}, whose pixels "
                "are not those of FER2013. Give all faces of FER2013, or faces with their original pixels"
            )
        if (agreement := _agreement(faces.labels[mine], table.votes[rows])) < LEAST_AGREEMENT:
            raise InputError(
                f"{path} agrees with {agreement:.0%} of the {mine.sum():,} {usage} labels of {faces.name}: its rows "
                "are not in the order of fer2013.csv. Give that file, or a copy in its order"
            )


def majority(votes: np.ndarray) -> np.ndarray:
    """The class with more than half of the `votes` `(N, 10)`: int64 `(N,)`, indices of `VOTE_CLASSES`, -1 for none.

    Single votes do not count. A majority for "unknown" or "not a face" gives -1. Source: FER+'s mode "majority".
    """
    votes = _cleaned(votes)
    best, clear = votes.argmax(1), 2 * votes.max(1) > votes.sum(1)
    return np.where(clear & (best < len(VOTE_CLASSES)), best, UNLABELLED)


def distribution(votes: np.ndarray) -> np.ndarray:
    """The distribution of the leading `votes` `(N, 10)`: float32 `(N, 8)` with the columns `VOTE_CLASSES`.

    Single votes do not count. Classes are taken in order of votes, tied ones together, until they hold three quarters
    of the votes or are three, or "unknown" or "not a face" has more. Rows whose classes hold at most half of the votes
    are 0. Source: FER+'s mode "crossentropy". Its code also drops 127 faces on which a tie makes it four or five
    classes; here they have a distribution, as in the counts that we test: 28,060, 3,520 and 3,513 faces.
    """
    votes = _cleaned(votes)
    classes, others = votes[:, : len(VOTE_CLASSES)], votes[:, len(VOTE_CLASSES) :]
    total = votes.sum(1, keepdims=True)
    ahead = votes[:, None, :] > classes[:, :, None]  # (N, 8, 10): the answers with more votes than each class
    votes_ahead = (ahead * votes[:, None, :]).sum(2)  # (N, 8)
    taken = (4 * votes_ahead < 3 * total) & (ahead.sum(2) < 3) & (classes >= others.max(1, keepdims=True))
    kept = classes * taken
    size = kept.sum(1, keepdims=True)
    return (kept * (2 * size > total) / np.maximum(size, 1)).astype(np.float32)


def _cleaned(votes: np.ndarray) -> np.ndarray:
    """The votes without single ones, which FER+ takes for mistakes: int64 `(N, 10)`."""
    return np.where(votes > 1, votes, 0).astype(np.int64)


def bundle(votes_csv: str | Path, faces: FaceSet, out: Path = BUNDLE) -> None:
    """Write the bundled file from `fer2013new.csv` and `faces` in the order of fer2013.csv, whole usages of it."""
    table = _read(votes_csv)
    rows = _match(faces, table)
    require_votes(faces, match_votes(faces, table), votes_csv)
    table.digests[rows[rows >= 0]] = faces.digests[rows >= 0]
    counts = [np.sum(table.usage == usage) for usage in USAGES]
    np.savez_compressed(out, votes=table.votes, digests=table.digests, counts=counts)


if __name__ == "__main__":
    from fer_utils.data.formats import read

    bundle(sys.argv[1], read(Path(sys.argv[2])))
