import hashlib
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis.comparisons import anatomy, budgets, caught_up, matched_pairs, steps
from fer_utils.analysis.published import ORIGINAL
from fer_utils.analysis.summary import Results, summarize
from fer_utils.models import matched
from fer_utils.models.zoo import MODELS, build, family, multiply_adds, parameters

RUNS = tempfile.TemporaryDirectory()


multiply_adds_of = cache(lambda model: multiply_adds(build(model)))


def run_of(model: str, seed: int, accuracy: float, faces: int) -> str:
    """The folder of a run that reads this share of the faces rightly, each net other ones."""
    folder = Path(RUNS.name) / f"{model}_{seed}_{accuracy}_{faces}"
    if not folder.exists():
        rng = np.random.default_rng(list(hashlib.sha256(folder.name.encode()).digest()))
        parts = []
        for part, n, share in (("validation", faces, accuracy), ("PublicTest", 3589, accuracy - 0.01)):
            labels = np.arange(n) % 7
            wrong = rng.permutation(n) >= round(share * n)
            answers = {"face": np.arange(n), "label": labels, "predicted": (labels + wrong) % 7, "part": part}
            parts.append(pd.DataFrame(answers).assign(leaked=np.arange(n) % 10 == 0))
        folder.mkdir()
        pd.concat(parts).to_csv(folder / "predictions.csv", index=False)
    return str(folder)


def table_of(accuracies: dict[str, float | list[float]], faces: int = 2872, data: str = "fer2013.csv") -> pd.DataFrame:
    """A results table with these accuracies, as if it had been trained."""
    rows = []
    for model, values in accuracies.items():
        net = build(model)
        for seed, accuracy in enumerate(values if isinstance(values, list) else [values]):
            rows.append(
                {
                    "model": model, "family": family(model), "parameters": parameters(net),
                    "multiply_adds": multiply_adds_of(model), "recipe": "quick", "epochs": 12,
                    "optimizer": "adamw", "batch_size": 32, "batchnorm": "running", "start": "", "teachers": "",
                    "target": "labels", "precision": "float32", "seed": seed, "data": data,
                    "fingerprint": "0123456789abcdef", "seconds": 100.0, "device": "CPU, 1 thread",
                    "finished": "2026-01-02T03:04:05+00:00", "run": run_of(model, seed, accuracy, faces),
                    "validation_accuracy": accuracy, "validation_faces": faces,
                    "PublicTest_accuracy": accuracy - 0.01, "PublicTest_faces": 3589,
                    "PublicTest_accuracy_without_leak": accuracy - 0.03,
                    "PublicTest_accuracy_flip_averaged": accuracy + 0.01,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_a_table_from_a_file_keeps_its_untaught_runs(tmp_path: Path) -> None:
    table_of({"cnn-48k": [0.5, 0.6]}).to_csv(tmp_path / "runs.csv", index=False)
    assert summarize(pd.read_csv(tmp_path / "runs.csv")).seeds.tolist() == [2]


def test_a_summary_has_mean_and_deviation_over_the_seeds() -> None:
    summary = summarize(table_of({"cnn-48k": [0.5, 0.6], "mobilenet-46k": 0.7})).set_index("model")
    assert summary.loc["cnn-48k", "validation_accuracy"] == pytest.approx(0.55)
    assert summary.loc["cnn-48k", "validation_deviation"] == pytest.approx(0.0707, abs=1e-4)
    assert summary.loc["cnn-48k", "seeds"] == 2
    assert pd.isna(summary.loc["mobilenet-46k", "validation_deviation"])
    assert summary.loc["mobilenet-46k", "PublicTest_accuracy_without_leak"] == pytest.approx(0.67)


def test_models_are_paired_by_size() -> None:
    names = [name for name in MODELS if not name.startswith("vgg")]
    pairs = matched_pairs(Results(table_of(dict.fromkeys(names, 0.5))), "PublicTest")
    assert [(pair.first.model, pair.second.model) for pair in pairs] == [
        ("mobilenet-46k", "cnn-48k"),
        ("mobilenet-112k", "cnn-103k"),
        ("mobilenet-158k", "cnn-150k"),
    ]
    assert matched_pairs(Results(table_of({"mobilenet-46k": 0.5, "cnn-852k": 0.5})), "PublicTest") == []


def test_a_difference_is_decided_by_a_paired_test() -> None:
    pairs = matched_pairs(Results(table_of({"mobilenet-46k": 0.60, "cnn-48k": 0.55})), "validation")
    assert pairs[0].difference.decided
    assert pairs[0].difference.points == pytest.approx(5)
    few = matched_pairs(Results(table_of({"mobilenet-46k": 0.60, "cnn-48k": 0.55}, faces=200)), "validation")
    assert not few[0].difference.decided


def test_who_catches_up() -> None:
    found = caught_up(summarize(table_of({"mobilenet-46k": 0.6, "cnn-48k": 0.5, "cnn-103k": 0.6, "cnn-852k": 0.7})))
    assert [row.model for row in found if row is not None] == ["mobilenet-46k", "cnn-103k", "cnn-48k"]
    assert caught_up(summarize(table_of({"mobilenet-46k": 0.6, "cnn-852k": 0.5})))[1:] == (None, None)
    assert caught_up(summarize(table_of({"mobilenet-46k": 0.6, "cnn-852k": 0.7})))[2] is None


def test_the_anatomy_of_a_small_cnn() -> None:
    found = anatomy("cnn-103k")
    head = 64 * 512 + 512 + 2 * 512 + 512 * 7 + 7
    assert found.head_share == pytest.approx(head / 103_079)
    assert (found.convolutions, found.widest) == (4, 64)
    assert anatomy("mobilenet-46k").convolutions == 2 + 6


def test_the_originals_values_are_those_of_known_models() -> None:
    assert set(ORIGINAL.model) < set(MODELS)


def test_the_steps_between_two_nets_add_up() -> None:
    chain: dict[str, float | list[float]] = dict(
        zip(matched.chain(46_000), (0.50, 0.53, 0.56, 0.52, 0.60), strict=True)
    )
    table = table_of(chain)
    assert budgets(table) == [46_000]
    assert [step.difference.points for step in steps(Results(table), 46_000)] == pytest.approx([3, 3, -4, 8], abs=0.1)
    assert budgets(table_of({"cnn8-46k": 0.5, "separable8-46k": 0.6})) == []
