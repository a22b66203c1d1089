import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from fer_utils.data.faces import FaceSet
from fer_utils.training import bench
from fer_utils.training.recipe import named_recipe


def test_every_way_trains_and_says_how_many_images(faces: FaceSet) -> None:
    training = faces.part("Training")
    chosen = named_recipe("quick", 3)
    assert list(islice(bench.plain("cnn-48k", training), 1)) == [len(training)]  # fewer than a batch
    assert list(islice(bench.step("cnn-48k", training, chosen), 2)) == [chosen.batch_size] * 2
    whole = len(training) * 9 // 10 // chosen.batch_size * chosen.batch_size
    assert list(bench.loop("cnn-48k", training, chosen)) == [whole] * 3


def test_the_ratios_are_those_of_the_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = iter([[100.0], [300.0, 250.0], [500.0, 450.0]])
    asked = []

    def images_per_second(ways: list[partial], seconds: float, runs: int) -> list[float]:
        asked.append(([way.func for way in ways], runs))
        return next(rates)

    monkeypatch.setattr(bench, "images_per_second", images_per_second)
    monkeypatch.setattr(bench, "cores", lambda: 2)
    found = bench.bench("demo", "cnn-48k")
    assert asked == [([bench.plain], 1), ([bench.step, bench.loop], 1), ([bench.step, bench.loop], 2)]
    assert found["images_per_second"] == 450
    assert found["ratio_to_plain"] == pytest.approx(4.5)
    assert found["ratio_to_step"] == pytest.approx(0.9)
    assert found["load_seconds_cold"] > 0
    assert found["load_ratio_to_plain"] is None
    assert next(iter(found["rates"])) == "the plain loop: one run, 2 threads"


def test_a_csv_is_also_read_row_by_row(csv_file: Path, tmp_path: Path) -> None:
    assert (bench.plain_load_seconds(str(csv_file)) or 0) > 0
    assert bench.plain_load_seconds(str(tmp_path)) is None


def test_rates_are_measured_in_processes_that_share_the_cores(faces: FaceSet) -> None:
    training = faces.part("Training")
    ways = [partial(ten_after, 0.04), partial(bench.step, "cnn-48k", training, named_recipe("quick"))]
    paused, stepped = bench.images_per_second(ways, 0.2, 2)
    assert 2 < paused <= 2 * 10 / 0.04  # a pause is never shorter than asked for
    assert stepped > 0


def ten_after(seconds: float) -> Iterator[int]:
    while True:
        time.sleep(seconds)
        yield 10
