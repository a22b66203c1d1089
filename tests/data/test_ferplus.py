from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.data.faces import FaceSet
from fer_utils.data.ferplus import VOTES, majorities
from fer_utils.data.load import load
from fer_utils.errors import InputError

ORDER = ("Usage", "Image name", "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def write(path: Path, faces: FaceSet, **changed: dict[str, int]) -> Path:
    """Votes of ten people, all for the label; of the rows that are named, other votes."""
    rows = []
    for number, (label, usage) in enumerate(zip(faces.labels, faces.usage, strict=True)):
        votes = changed.get(f"row{number}", {VOTES[label]: 10})
        rows.append({"Usage": usage, "Image name": f"fer{number}.png", **dict.fromkeys(VOTES, 0), **votes})
    pd.DataFrame(rows)[[*ORDER, "unknown", "NF"]].to_csv(path, index=False)
    return path


def test_the_majority_is_the_label_and_what_is_no_majority_has_none(faces: FaceSet, tmp_path: Path) -> None:
    odd = {
        "row0": {"sadness": 6, "fear": 4},
        "row1": {"sadness": 5, "fear": 4, "anger": 1},
        "row2": {"contempt": 9, "anger": 1},
        "row3": {"NF": 10},
    }
    found = majorities(faces, write(tmp_path / "votes.csv", faces, **odd))
    assert found[:4].tolist() == [4, -1, -1, -1]
    assert np.array_equal(found[4:], faces.labels[4:])


def test_faces_are_loaded_with_the_votes_as_labels(csv_file: Path, faces: FaceSet, tmp_path: Path) -> None:
    votes = write(tmp_path / "votes.csv", faces, row0={"sadness": 10})
    loaded = load(csv_file, str(votes))
    assert loaded.labels[0] == 4
    assert loaded.name == "fer2013.csv with FER+ labels"
    assert loaded.fingerprint != load(csv_file).fingerprint


def test_votes_on_other_faces_are_refused(faces: FaceSet, tmp_path: Path) -> None:
    votes = write(tmp_path / "votes.csv", faces)
    with pytest.raises(InputError, match=r"votes on 126 Training faces, .* has 125 of them"):
        majorities(faces[np.arange(1, len(faces))], votes)
    with pytest.raises(InputError, match=r"agree with \d+% of the labels of .*: its faces are not in the order"):
        majorities(faces[np.argsort(faces.labels, kind="stable")], votes)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'Usage'; expected fer2013new"):
        majorities(faces, tmp_path / "other.csv")
    with pytest.raises(InputError, match="cannot be read"):
        majorities(faces, tmp_path / "nowhere.csv")
