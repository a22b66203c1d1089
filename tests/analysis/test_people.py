import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis import people
from fer_utils.analysis.published import published_runs
from fer_utils.data.targets import TARGETS
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.training.metrics import add_votes
from tests.analysis.test_summary import RUNS, table_of

FACES = 900
LABELS_RIGHT = 2 / 3  # of the labels are the majority, as in FER2013


def voted_table(accuracies: dict[tuple[str, str], float], *, bias: float = 0.0) -> pd.DataFrame:
    """A results table of models and targets, as if they had been evaluated on faces with ten votes each.

    A network sees what the majority sees with this accuracy. Otherwise it says neutral or, for a share `bias` of these
    faces, their label.
    """
    table = table_of({model: accuracy for (model, _), accuracy in accuracies.items()})
    rows = []
    for (model, target), accuracy in accuracies.items():
        run = _run_of(model, target, accuracy, bias)
        row = table[table.model == model].iloc[0].to_dict()
        rows.append(row | {"target": target, "run": run, "validation_votes_accuracy": accuracy})
    return pd.DataFrame(rows)


def _run_of(model: str, target: str, accuracy: float, bias: float) -> str:
    folder = Path(RUNS.name) / f"{model}.{target}_{accuracy}_{bias}"
    if folder.exists():
        return str(folder)
    rng = np.random.default_rng(list(hashlib.sha256(folder.name.encode()).digest()))
    seen = np.arange(FACES) % 6  # never neutral, so that an error never looks right
    doubt = rng.integers(2, size=(FACES, 1))
    votes = (8 - 2 * doubt) * np.eye(10, dtype=int)[seen] + (1 + 2 * doubt) * np.eye(10, dtype=int)[6]
    votes[:, 8] += 1
    labels = np.where(np.arange(FACES) < LABELS_RIGHT * FACES, seen, (seen + 1) % 6)
    predicted = np.where(rng.permutation(FACES) < round(accuracy * FACES), seen, 6)
    predicted = np.where((predicted == 6) & (rng.random(FACES) < bias), labels, predicted)
    classes = TARGETS[target]
    sure = rng.uniform(0.6, 0.9, FACES)
    shares = np.repeat(((1 - sure) / (len(classes) - 1))[:, None], len(classes), axis=1)
    shares[np.arange(FACES), predicted] = sure
    answers = pd.DataFrame(
        {
            "face": [f"{i:016x}" for i in range(FACES)], "label": labels, "predicted": predicted,
            "leaked": np.arange(FACES) % 9 == 0, "part": "PublicTest",
            **{f"p_{name}": column for name, column in zip(classes, shares.T, strict=True)},
        }
    )  # fmt: skip
    folder.mkdir()
    add_votes(answers, votes).to_csv(folder / "predictions.csv", index=False)
    return str(folder)


def test_labels_and_networks_agree_with_people_as_measured_before() -> None:
    found = people.agreements(people.answers_of(published_runs()))
    assert found.agreement["label"] == pytest.approx(0.654, abs=0.003)
    for name, value in {"compact-46k.fer2013": 0.688, "compact-158k.fer2013": 0.696, "cnn-48k.fer2013": 0.682}.items():
        assert found.agreement[name] == pytest.approx(value, abs=0.003)
    assert found.people[["1", "3", "5"]].tolist() == [1, 3, 5]
    assert (found.agreement_low < found.agreement).all()
    assert (found.agreement < found.agreement_high).all()
    networks = found.index.str.endswith("ferplus")
    assert found.people[networks].between(2, 5).all()  # worth two people at least, and the compact ones three
    assert (found.people[networks & found.index.str.startswith("compact")] > 3).all()
    assert (found.people[found.index.str.endswith("fer2013")] == 0).all()  # less than one


def test_the_interval_covers_what_chance_may_change() -> None:
    found = people.agreements(people.answers_of(voted_table({("cnn-48k", "votes"): 0.9})))
    row = found.loc["cnn-48k.ferplus"]
    won = people.voters_of(people.answers_of(voted_table({("cnn-48k", "votes"): 0.9})))
    width = 2 * 1.96 * (won[1].agreement(won[0].predicted.to_numpy()).std() / FACES**0.5)
    assert row.agreement_high - row.agreement_low == pytest.approx(width, rel=0.1)
    assert row.people_low <= row.people <= row.people_high


def test_the_best_run_of_each_model_and_target_stands_for_it() -> None:
    table = voted_table({("cnn-48k", "labels"): 0.5, ("cnn-48k", "votes"): 0.6, ("cnn-103k", "votes"): 0.7})
    more = pd.concat([table, table.assign(seed=1, validation_votes_accuracy=0.65, validation_accuracy=0.4)])
    chosen = people.networks(more).set_index("network")
    assert chosen.seed.to_dict() == {"cnn-48k.fer2013": 0, "cnn-48k.ferplus": 1, "cnn-103k.ferplus": 0}
    assert people.best_networks(more, people.answers_of(more)) == ["cnn-48k.fer2013", "cnn-103k.ferplus"]


def test_networks_without_votes_or_on_other_faces_are_left_out() -> None:
    table = voted_table({("cnn-48k", "labels"): 0.9})
    assert list(people.answers_of(pd.concat([table, table_of({"cnn-103k": 0.5})]))) == ["cnn-48k.fer2013"]
    assert list(people.answers_of(pd.concat([table, published_runs()]))) == ["cnn-48k.fer2013"]
    assert people.answers_of(table_of({"cnn-103k": 0.5})) == {}


def test_a_gain_on_labels_is_split_by_what_people_see() -> None:
    said = people.answers_of(voted_table({("cnn-48k", "labels"): 0.6}))
    (small,) = said.values()
    right = small.assign(predicted=small.label)
    found = people.gains(small, right)
    assert found["labels"] == pytest.approx(found["seen"] + found["unseen"])
    assert found["unseen"] == pytest.approx(100 * (1 - LABELS_RIGHT), abs=0.2)  # none of these labels was given before
    assert found["seen"] == pytest.approx(100 * LABELS_RIGHT * 0.4, abs=2)
    assert found["low"] < found["people"] < found["high"]


def test_confusions_are_shares_of_what_people_see() -> None:
    tables = people.confusions(people.answers_of(voted_table({("cnn-48k", "votes"): 0.8})))
    assert list(tables) == ["1", "cnn-48k.ferplus"]
    for shares in tables.values():
        assert shares.shape == (len(VOTE_CLASSES), 10)
        sums = shares.sum(1)
        np.testing.assert_allclose(sums[sums > 0], 1)
    assert tables["1"][0, 8] > 0  # people may say that they do not know
    assert tables["cnn-48k.ferplus"][:, 8:].sum() == 0


def test_doubt_is_measured_in_bits() -> None:
    said = people.answers_of(published_runs())
    found = people.doubts({"one": said["compact-46k.ferplus"], "other": said["compact-46k.fer2013"]})
    assert 3 <= found.voters.nunique() <= people.GROUPS
    assert (found.network == "one").sum() == (found.network == "other").sum() == found.voters.nunique()
    correlation = found.groupby("network").correlation.first()
    assert 0.5 < correlation["one"] < 0.8
    assert 0.3 < correlation["other"] < correlation["one"]
    assert found.voters.max() < 3  # of eight classes
    assert found[found.network == "one"].voters.is_monotonic_increasing
