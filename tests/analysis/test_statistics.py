from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from fer_utils.analysis.statistics import Difference, difference, interval
from fer_utils.errors import InputError
from tests.analysis.test_summary import table_of


@pytest.mark.parametrize("hits", [0, 1, 600, 999, 1000])
def test_the_interval_is_wilsons(hits: int) -> None:
    found = interval(hits / 1000, 1000)
    assert found == pytest.approx(tuple(binomtest(hits, 1000).proportion_ci(method="wilson")), abs=1e-9)
    assert found[0] <= hits / 1000 <= found[1]


def nets(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits of two nets of which so many are common, the first's alone, the second's alone, and nobody's."""
    one = np.repeat([True, True, False, False], [both, first, second, neither])
    two = np.repeat([True, False, True, False], [both, first, second, neither])
    return one[None], two[None]


def test_mcnemar_counts_only_the_faces_on_which_two_nets_differ() -> None:
    found = Difference(*nets(500, 30, 12, 100))
    assert found.points == pytest.approx(100 * 18 / 642, abs=0.05)
    assert found.p == pytest.approx(binomtest(12, 42).pvalue)
    assert found.decided
    assert Difference(*nets(0, 30, 12, 0)).p == found.p
    assert not Difference(*nets(500, 12, 12, 100)).decided


def test_the_interval_of_a_difference_is_paired() -> None:
    low, high = Difference(*nets(500, 30, 12, 100)).interval
    half = 100 * 1.96 * np.sqrt((42 / 642 - (18 / 642) ** 2) / 642)
    assert (low, high) == pytest.approx((2.80 - half, 2.80 + half), abs=0.2)


def test_the_interval_holds_what_seeds_differ_by() -> None:
    first, second = nets(500, 60, 60, 100)
    alike = Difference(np.vstack([first, first]), np.vstack([second, second]))
    assert alike.interval == pytest.approx(Difference(first, second).interval, abs=0.2)
    better, _ = nets(500, 100, 20, 100)
    low, high = Difference(np.vstack([first, better]), np.vstack([second, second])).interval
    gains = 100 * (better.mean() - second.mean())
    assert low < 0 < gains < high


def test_seeds_that_disagree_decide_nothing() -> None:
    first, second = nets(500, 60, 10, 100)
    assert Difference(np.vstack([first, first]), np.vstack([second, second])).decided
    split = Difference(np.vstack([first, second]), np.vstack([second, first]))
    assert not split.decided
    assert split.by_seed[0] == -split.by_seed[1]


def test_runs_on_files_of_another_order_are_compared_face_by_face(tmp_path: Path) -> None:
    table = table_of({"cnn-48k": 0.5, "mobilenet-46k": 0.6})
    twins = pd.read_csv(Path(table.run[0]) / "predictions.csv")
    twins["face"] = twins.face // 2  # some images stand there twice
    for name, said in {"first": twins, "second": twins.sample(frac=1, random_state=0)}.items():
        (tmp_path / name).mkdir()
        said.to_csv(tmp_path / name / "predictions.csv", index=False)
    table["run"] = [str(tmp_path / "first"), str(tmp_path / "second")]
    found = difference(table[:1], table[1:], "validation")
    assert found.points == 0
    assert (found.first == found.second).all()


def test_only_the_same_seeds_are_compared() -> None:
    table = table_of({"cnn-48k": [0.5, 0.51], "mobilenet-46k": 0.6})
    with pytest.raises(InputError, match=r"cnn-48k and mobilenet-46k were trained with the seeds \[0, 1\] and \[0\]"):
        difference(table[:2], table[2:], "validation")


def test_a_run_without_its_predictions_says_what_to_do() -> None:
    table = table_of({"cnn-48k": 0.5, "mobilenet-46k": 0.6})
    lost = table.assign(run="runs/lost")
    with pytest.raises(InputError, match=r"runs/lost: its predictions are missing\. Delete"):
        difference(lost[:1], table[1:], "validation")


def test_only_the_same_faces_are_compared() -> None:
    table = pd.concat([table_of({"cnn-48k": 0.5}), table_of({"mobilenet-46k": 0.6}, faces=100)])
    with pytest.raises(InputError, match="cnn-48k and mobilenet-46k were not evaluated on the same validation faces"):
        difference(table[:1], table[1:], "validation")
