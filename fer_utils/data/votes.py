"""FER+: the votes of ten annotators on each face of FER2013.

Barsoum et al. 2016, arXiv 1608.01041; github.com/microsoft/FERPlus, under the licence in `FERPLUS-LICENSE`.
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
LEAST_AGREEMENT = 0.5  # share of labels equal to the top vote, in the same row order; see figures/EXPERIMENTS.md


@dataclass(frozen=True, eq=False)
class VoteTable:
    """Votes in the row order of fer2013.csv."""

    votes: np.ndarray  # uint8 (M, 10) with the columns `BALLOT`
    usage: np.ndarray  # str (M,)
    digests: np.ndarray  # uint64 (M,), hashes of the pixels (`FaceSet.digests`), 0 if unknown


@cache
def bundled() -> VoteTable:
    """The bundled votes on all 35,887 faces; PrivateTest digests are unknown."""
    with np.load(BUNDLE) as stored:
        return VoteTable(stored["votes"], np.repeat(USAGES, stored["counts"]), stored["digests"])


def read_votes(path: str | Path) -> VoteTable:
    """Read `fer2013new.csv` of FER+; `InputError` for a file without its columns.

    The digests are those of the bundled table if both have the same faces in the same order, otherwise 0.
    """
    table, ours = _read(path), bundled()
    same = np.array_equal(table.usage, ours.usage) and _agreement(ours.votes.argmax(1), table.votes) >= LEAST_AGREEMENT
    return replace(table, digests=ours.digests) if same else table


def _read(path: str | Path) -> VoteTable:
    try:
        rows = pd.read_csv(Path(path).expanduser(), dtype=dict.fromkeys(COLUMNS, np.uint8))
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give fer2013new.csv of FER+") from None
    if missing := [name for name in ("Usage", *COLUMNS) if name not in rows]:
        raise InputError(f"{path} has no column {missing[0]!r}. Give fer2013new.csv of FER+")
    return VoteTable(rows[list(COLUMNS)].to_numpy(), rows.Usage.to_numpy(str), np.zeros(len(rows), np.uint64))


def match_votes(faces: FaceSet, table: VoteTable | None = None) -> np.ndarray:
    """Votes on each face: uint8 `(N, 10)`, columns `BALLOT`, all 0 for none.

    Faces match by pixels, in any order; the k-th copy of an image gets the k-th row with its pixels, its own usage
    first. If most faces of a usage do not match (PrivateTest, or re-encoded images), that usage matches by row order,
    provided that the numbers of rows are equal and half of the labels, if any, agree with the votes.
    """
    table = table or bundled()
    none = np.zeros((1, len(BALLOT)), np.uint8)
    return np.concatenate([table.votes, none])[_match(faces, table)]  # -1 indexes `none`


def row_numbers(faces: FaceSet) -> np.ndarray:
    """The row of each face in fer2013.csv, counted from 0; if any is not of FER2013, that in its own file: `(N,)`."""
    found = _match(faces, bundled())
    own = np.arange(len(faces)) if faces.rows is None else faces.rows
    return own if (found < 0).any() else found


def _match(faces: FaceSet, table: VoteTable) -> np.ndarray:
    """The row of the table for each face, -1 for none: int64 `(N,)`."""
    found = np.full(len(faces), -1, np.int64)
    images = pd.DataFrame({"digest": faces.digests, "usage": faces.usage})
    known = pd.DataFrame({"digest": table.digests, "usage": table.usage})[table.digests > 0]
    for keys in (["digest", "usage"], ["digest"]):  # usages may have been reassigned
        left, right = images[found < 0], known[~known.index.isin(found)]
        left, right = (part.assign(copy=part.groupby(keys).cumcount(), at=part.index) for part in (left, right))
        pairs = left.merge(right, on=[*keys, "copy"])
        found[pairs.at_x] = pairs.at_y
    for usage in dict.fromkeys(faces.usage):
        mine, rows = np.flatnonzero(faces.usage == usage), np.flatnonzero(table.usage == usage)
        # A few match by pixels anyway: flat images survive JPEG, and Training holds some faces of PrivateTest.
        by_order = np.mean(found[mine] < 0) > 0.5 and len(mine) == len(rows)
        if by_order and _agreement(faces.labels[mine], table.votes[rows]) >= LEAST_AGREEMENT:
            found[mine] = rows
    return found


def _agreement(labels: np.ndarray, votes: np.ndarray) -> float:
    """The share of labels that equal the answer with most votes; 1 without labels."""
    labelled = labels != UNLABELLED
    return float(np.mean((votes.argmax(1) == labels)[labelled])) if labelled.any() else 1.0


def require_votes(faces: FaceSet, votes: np.ndarray, path: str | Path) -> None:
    """Raise `InputError` if `match_votes` found no majority for any face in `path`."""
    if (majority(votes) != UNLABELLED).any():
        return
    table = _read(path)
    for usage in dict.fromkeys(faces.usage):
        mine, rows = faces.usage == usage, table.usage == usage
        if mine.sum() != rows.sum():
            found = f"votes on {rows.sum():,} {usage} faces, but {faces.name} has {mine.sum():,} with other pixels"
            raise InputError(f"{path} has {found}. Give all faces of FER2013, or faces with their original pixels")
        if (agreement := _agreement(faces.labels[mine], table.votes[rows])) < LEAST_AGREEMENT:
            found = f"agrees with {agreement:.0%} of the {mine.sum():,} {usage} labels of {faces.name}"
            raise InputError(f"{path} {found}. Give faces and votes in the row order of fer2013.csv")


def majority(votes: np.ndarray) -> np.ndarray:
    """Indices of the classes with over half of the `votes` `(N, 10)`: int64 `(N,)`.

    -1 for none, "unknown" or "not a face". Single votes do not count. Source: the mode "majority" of FER+.
    """
    votes = _cleaned(votes)
    best, clear = votes.argmax(1), 2 * votes.max(1) > votes.sum(1)
    return np.where(clear & (best < len(VOTE_CLASSES)), best, UNLABELLED)


def distribution(votes: np.ndarray) -> np.ndarray:
    """Distribution of `votes` `(N, 10)` over `VOTE_CLASSES`: float32 `(N, 8)`.

    Single votes do not count. Classes are taken in order of votes, tied ones together, until they hold three quarters
    of the votes or are three, or "unknown" or "not a face" has more. Rows whose classes hold at most half of the votes
    are 0. Source: the mode "crossentropy" of FER+, whose code also drops ties that lead to four or five classes.
    """
    votes = _cleaned(votes)
    classes, others = votes[:, : len(VOTE_CLASSES)], votes[:, len(VOTE_CLASSES) :]
    total = votes.sum(1, keepdims=True)
    ahead = votes[:, None, :] > classes[:, :, None]  # (N, 8, 10): answers with more votes than each class
    votes_ahead = (ahead * votes[:, None, :]).sum(2)  # (N, 8)
    taken = (4 * votes_ahead < 3 * total) & (ahead.sum(2) < 3) & (classes >= others.max(1, keepdims=True))
    kept = classes * taken
    size = kept.sum(1, keepdims=True)
    return (kept * (2 * size > total) / np.maximum(size, 1)).astype(np.float32)


def _cleaned(votes: np.ndarray) -> np.ndarray:
    """Set single votes, which FER+ considers mistakes, to 0: int64 `(N, 10)`."""
    return np.where(votes > 1, votes, 0).astype(np.int64)


def bundle(votes_csv: str | Path, faces: FaceSet, out: Path = BUNDLE) -> None:
    """Write the bundled file; `faces` are whole usages in the order of fer2013.csv."""
    table = _read(votes_csv)
    rows = _match(faces, table)
    require_votes(faces, match_votes(faces, table), votes_csv)
    table.digests[rows[rows >= 0]] = faces.digests[rows >= 0]
    counts = [np.sum(table.usage == usage) for usage in USAGES]
    np.savez_compressed(out, votes=table.votes, digests=table.digests, counts=counts)


if __name__ == "__main__":
    from fer_utils.data.load import read

    bundle(sys.argv[1], read(Path(sys.argv[2])))
