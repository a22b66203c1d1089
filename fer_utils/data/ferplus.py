"""FER+: ten people's votes on each face of FER2013.

Barsoum et al. 2016, arXiv 1608.01041; the votes are at github.com/Microsoft/FERPlus.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet
from fer_utils.errors import InputError

# In the order of `faces.CLASSES`, then what FER2013 has no class for.
VOTES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt", "unknown", "NF")
LEAST_AGREEMENT = 0.5  # of the votes with FER2013's labels, below which the rows cannot be those of the faces


def majorities(faces: FaceSet, path: str | Path) -> np.ndarray:
    """What more than half of the voters saw in each face, as FER2013's classes: int64 `(N,)`.

    It is -1 where there is no such majority, or where it is for contempt, "unknown" or "not a face". `path` is FER+'s
    `fer2013new.csv`, whose rows are in the order of `fer2013.csv`, so that the faces must be as well. Raises
    `InputError` where they are not.
    """
    votes = _read(Path(path).expanduser())
    found = np.full(len(faces), UNLABELLED, np.int64)
    for usage in dict.fromkeys(faces.usage):
        rows = votes[votes.Usage == usage][list(VOTES)].to_numpy()
        mine = faces.usage == usage
        if len(rows) != mine.sum():
            raise InputError(
                f"{path} has votes on {len(rows):,} {usage} faces, {faces.name} has {mine.sum():,} of them: FER+ goes "
                "with the whole of FER2013"
            )
        best, clear = rows.argmax(1), 2 * rows.max(1) > rows.sum(1)
        found[mine] = np.where(clear & (best < len(CLASSES)), best, UNLABELLED)
    voted = (found != UNLABELLED) & (faces.labels != UNLABELLED)
    agreement = (found == faces.labels)[voted].mean() if voted.any() else 0.0
    if agreement < LEAST_AGREEMENT:
        raise InputError(
            f"the votes of {path} agree with {agreement:.0%} of the labels of {faces.name}: its faces are not in the "
            "order of fer2013.csv. Give that file, or a copy that keeps its order"
        )
    return found


def relabelled(faces: FaceSet, path: str | Path) -> FaceSet:
    """The same faces with what most people saw as their labels; unlabelled where that is no one class."""
    return replace(faces, labels=majorities(faces, path), name=f"{faces.name} with FER+ labels")


def _read(path: Path) -> pd.DataFrame:
    try:
        votes = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected fer2013new.csv of FER+") from None
    if lacking := [name for name in ("Usage", *VOTES) if name not in votes]:
        raise InputError(f"{path} has no column {lacking[0]!r}; expected fer2013new.csv of FER+")
    return votes
