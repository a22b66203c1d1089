"""Score anybody's predictions of test faces, given as a CSV file."""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer_utils.analysis.statistics import Difference
from fer_utils.data.csv_files import DELIMITERS, encoding_of
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
ANSWERS = ("predicted", "prediction", "label", "class", "emotion")  # a run's `label` is the truth
SUM_TOLERANCE = 0.01  # of the probabilities of a face


@dataclass(frozen=True)
class _Problem(Exception):
    """What is wrong with a data row, counted from 0."""

    row: int
    message: str


def read_answers(path: Path, faces: FaceSet, usage: str, order: str = "fer2013") -> pd.DataFrame:
    """Read predictions of the faces of a usage: a table like that of `metrics.prediction_table`.

    The CSV has a row per face. `row` is its row in fer2013.csv, counted from 0, `id` its name or row in the file of
    `faces`, as `fer predict` writes it, or `face` the hash of its pixels, as in a run's predictions.csv. `label` (or
    one of `ANSWERS`) is the name of a class, as in FER2013 or FER+, or its number in `order`; columns named after
    classes hold probabilities. Faces of other usages are ignored. Raises `InputError` with the line of a missing,
    repeated or unknown face, an unknown class, or wrong probabilities.
    """
    classes = ORDERS[check_name("order", order, ORDERS)]
    table = _read(path)
    key = next((name for name in KEYS if name in table), None)
    if key is None:
        raise InputError(f"{path}: no column `row`, `id` or `face`. Add the row in fer2013.csv, counted from 0")
    named = replace(faces, ids=_names(faces, key))
    part = labelled_part(named, usage)
    try:
        answers = _answers(table, classes, path)
        place = _places(table[key].str.lower(), answers.predicted, named, part, f"{path}: {{}} {usage} faces")
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
        given = table[label].str.lower()
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


def _places(given: pd.Series, predicted: pd.Series, faces: FaceSet, part: FaceSet, count: str) -> np.ndarray:
    """The row of the CSV for each face of the part, by the ids of the faces."""
    assert faces.ids is not None and part.ids is not None, "read_answers names the faces"  # noqa: PT018
    for row in np.flatnonzero(~given.isin(faces.ids)):
        raise _Problem(int(row), f"{given.name} {given.iloc[row]!r} is no face of {faces.name}")
    copies = pd.Series(faces.ids).value_counts()
    for row in np.flatnonzero(given.groupby(given).cumcount() >= given.map(copies)):
        raise _Problem(int(row), f"{given.name} {given.iloc[row]!r} is repeated. Give one answer per face")
    for row in np.flatnonzero(predicted != predicted.groupby(given).transform("first")):
        raise _Problem(
            int(row), f"{given.name} {given.iloc[row]!r}: identical images with different answers. Use `row`"
        )
    rows = pd.Series(given.index, given).groupby(level=0).first()  # identical images have one answer
    if missing := [name for name in part.ids if name not in rows.index]:
        told = count.format(f"{len(missing):,} of {len(part):,}")
        raise InputError(f"{told} have no answer, the first is {given.name} {missing[0]}")
    return rows[part.ids].to_numpy()


def _names(faces: FaceSet, key: str) -> np.ndarray:
    """The faces as a column of the CSV names them."""
    if key == "face":
        return np.array([f"{digest:016x}" for digest in faces.digests])
    if key == "row":
        return row_numbers(faces).astype(str)
    ids = np.arange(len(faces)).astype(str) if faces.ids is None else faces.ids
    return np.char.lower(ids)


def _read(path: Path) -> pd.DataFrame:
    """The CSV as text, without empty lines at its end."""
    try:
        encoding = encoding_of(path.read_bytes()[:2])
        with path.open(encoding=encoding, newline="") as file:
            head = file.readline()
            file.seek(0)
            rows = list(csv.reader(file, delimiter=max(DELIMITERS, key=head.count)))
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a CSV in UTF-8 or UTF-16 ({error})") from None
    while rows and not "".join(rows[-1]).strip():
        rows.pop()
    if not rows:
        raise InputError(f"{path}: is empty. Give a header and a row per face")
    names = [name.strip().lower() for name in rows[0]]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two columns have the same name; names ignore case")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            raise InputError(f"{path}, line {line}: {len(row)} fields, expected {len(names)}")
    table = pd.DataFrame(rows[1:], columns=names).apply(lambda column: column.str.strip())
    return table.replace(r"^(\d+)\.0+$", r"\1", regex=True)  # as pandas writes integers beside gaps


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
