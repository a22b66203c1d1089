"""Score anybody's predictions of test faces, given as a CSV file."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_utils.analysis.statistics import Difference
from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet
from fer_utils.data.targets import TARGETS
from fer_utils.data.votes import COLUMNS, VOTE_CLASSES, row_numbers
from fer_utils.errors import InputError, check_name
from fer_utils.inference.recognizer import open_recognizer
from fer_utils.models import zoo
from fer_utils.models.bundled import DATA_OF_TARGET, bundled_models
from fer_utils.training.metrics import PROBABILITY_COLUMN, face_table, labelled_part

# FER+'s names of the classes, in its order.
FERPLUS_NAMES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
OWN_NAME = dict(zip(COLUMNS, VOTE_CLASSES, strict=False)) | {name: name for name in VOTE_CLASSES}  # by either name
ORDERS = {"fer2013": VOTE_CLASSES, "ferplus": tuple(OWN_NAME[name] for name in FERPLUS_NAMES)}
KEYS = ("row", "id", "face")
ANSWERS = ("label", "class", "predicted", "prediction", "emotion")
SUM_TOLERANCE = 0.01  # of the probabilities of a face


@dataclass(frozen=True)
class _Problem(Exception):
    """What is wrong with a data row, counted from 0."""

    row: int
    message: str


def read_answers(path: Path, faces: FaceSet, usage: str, order: str = "fer2013") -> pd.DataFrame:
    """Read predictions of the faces of a usage: a table like that of `metrics.prediction_table`.

    The CSV has a row per face. `row` (or `id`) is its row in fer2013.csv, counted from 0, or `face` the hash of its
    pixels as in a run's predictions.csv. `label` (or one of `ANSWERS`) is the name of a class, as in FER2013 or FER+,
    or its number in `order`; columns named after classes hold probabilities. Faces of other usages are ignored. Raises
    `InputError` with the line of a missing, repeated or unknown face, an unknown class, or wrong probabilities.
    """
    classes = ORDERS[check_name("order", order, ORDERS)]
    numbered = replace(faces, ids=row_numbers(faces).astype(str))
    part = labelled_part(numbered, usage)
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a CSV ({error})") from None
    table.columns = [str(name).strip().lower() for name in table.columns]
    try:
        answers = _answers(table, classes, path)
        place = _places(table, numbered, part, usage, path)
    except _Problem as problem:
        raise InputError(f"{path}, line {problem.row + 2}: {problem.message}") from None
    return face_table(part).assign(**{name: column.to_numpy()[place] for name, column in answers.items()})


def _answers(table: pd.DataFrame, classes: tuple[str, ...], path: Path) -> pd.DataFrame:
    """The columns `predicted` and, if there are probabilities, `p_CLASS`."""
    names = {column: OWN_NAME[column.removeprefix("p_")] for column in table if column.removeprefix("p_") in OWN_NAME}
    found = pd.DataFrame(index=table.index)
    if names:
        known = [name for name in VOTE_CLASSES if name in names.values()]
        if len(names) != len(known) or not set(CLASSES) <= set(known):
            raise InputError(f"{path}: probabilities for {', '.join(names)}; expected is a column for each class")
        shares = _probabilities(table[list(names)].rename(columns=names)[known])
        found = shares.rename(columns=PROBABILITY_COLUMN.format)
        found.insert(0, "predicted", shares.to_numpy().argmax(1))
    if label := next((name for name in ANSWERS if name in table), None):
        numbers = {str(i): VOTE_CLASSES.index(name) for i, name in enumerate(classes)}
        numbers |= {name: VOTE_CLASSES.index(own) for name, own in OWN_NAME.items()}
        given = table[label].str.strip().str.lower()
        for row in np.flatnonzero(~given.isin(list(numbers))):
            allowed = f"{', '.join(VOTE_CLASSES)}, FER+'s names, or 0 to {len(classes) - 1}"
            raise _Problem(int(row), f"unknown class {table[label].iloc[row]!r}. Allowed are {allowed}")
        found["predicted"] = given.map(numbers)
    if "predicted" not in found:
        raise InputError(f"{path}: no answers. Add a column `label`, or a column of probabilities for each class")
    return found


def _probabilities(table: pd.DataFrame) -> pd.DataFrame:
    shares = table.apply(pd.to_numeric, errors="coerce")
    wrong = ~((shares >= 0) & (shares <= 1))
    for row in np.flatnonzero(wrong.any(axis=1)):
        column = wrong.columns[wrong.iloc[row]][0]
        raise _Problem(int(row), f"probability {table[column].iloc[row]!r} of {column}. Allowed are 0 to 1")
    for row in np.flatnonzero((shares.sum(axis=1) - 1).abs() > SUM_TOLERANCE):
        raise _Problem(int(row), f"probabilities that add up to {shares.iloc[row].sum():.3f}. They must add up to 1")
    return shares


def _places(table: pd.DataFrame, faces: FaceSet, part: FaceSet, usage: str, path: Path) -> np.ndarray:
    """The row of the CSV for each face of the part."""
    key = next((name for name in KEYS if name in table), None)
    if key is None:
        raise InputError(f"{path}: no column {', '.join(KEYS[:-1])} or {KEYS[-1]} tells which face a row is about")
    given = table[key].str.strip().str.lower()
    by_hash = given.str.fullmatch("[0-9a-f]{16}").all()
    every, wanted = (_names(each, by_hash=by_hash) for each in (faces, part))
    for row in np.flatnonzero(~given.isin(list(every))):
        raise _Problem(int(row), f"{key} {table[key].iloc[row]!r} is no face of {faces.name}")
    copies = pd.Series(every).value_counts()
    for row in np.flatnonzero(given.groupby(given).cumcount() >= given.map(copies)):
        raise _Problem(int(row), f"{key} {table[key].iloc[row]!r} is there again. Give one answer to each face")
    rows = pd.Series(given.index, given).groupby(level=0).first()  # identical images have one answer
    if missing := [name for name in wanted if name not in rows.index]:
        count = f"{len(missing):,} of {len(wanted):,} {usage} faces"
        raise InputError(f"{path}: answers to {count} are missing, the first for {key} {missing[0]}")
    return rows[wanted].to_numpy()


def _names(faces: FaceSet, *, by_hash: bool) -> list[str]:
    """The faces by the hash of their pixels, or by their ids."""
    if by_hash:
        return [f"{digest:016x}" for digest in faces.digests]
    assert faces.ids is not None, "read_answers numbers the faces"
    return list(map(str, faces.ids))


def compare_with_ours(answers: pd.DataFrame, faces: FaceSet, usage: str, parameters: int) -> list[dict[str, Any]]:
    """McNemar's tests against the bundled networks nearest in size: from labels on labels, from votes on majorities.

    `points` is the lead of the answers in percentage points, with its 95 % confidence interval `low`..`high`.
    """
    found = []
    for target, truth in {"labels": "label", "votes": "majority"}.items():
        names = {zoo.parameters(zoo.build(m, classes=len(TARGETS[target]))): m for m in bundled_models(target)}
        known = answers[truth] != UNLABELLED if truth in answers else pd.Series(False, answers.index)
        if not names or not known.any():
            continue
        size = min(names, key=lambda size: abs(math.log(size / parameters)))
        network = f"{names[size]}.{DATA_OF_TARGET[target]}"
        predicted = open_recognizer(network)(labelled_part(faces, usage).images).argmax(1)
        hits = [(given == answers[truth])[known].to_numpy() for given in (answers.predicted, predicted)]
        lead = Difference(*(each[None] for each in hits))
        about = {"network": network, "parameters": size, "truth": truth}
        found.append(about | {"points": lead.points, "low": lead.interval[0], "high": lead.interval[1], "p": lead.p})
    return found
