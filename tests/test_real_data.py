"""What holds on the real FER2013; skipped where it is not there."""

import numpy as np
import pandas as pd
import pytest

from fer_utils.analysis.people import networks
from fer_utils.analysis.published import published_networks
from fer_utils.analysis.statistics import predictions
from fer_utils.data.faces import FaceSet, counts, repeats, split
from fer_utils.data.load import load
from fer_utils.inference.recognizer import open_recognizer
from fer_utils.models.bundled import bundled_names
from fer_utils.training.metrics import labelled_part
from tests.conftest import REAL_DATA, ROOT

FILE = REAL_DATA / "fer2013.parquet"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"no real data in {REAL_DATA.name}")


@pytest.fixture(scope="module")
def real() -> FaceSet:
    return load(FILE)


def test_the_counts_are_those_of_the_challenge(real: FaceSet) -> None:
    table = counts(real)
    assert table.loc["all", "Training"] == 28_709
    assert table.loc["all", "PublicTest"] == 3_589
    assert list(table.Training[:7]) == [3995, 436, 4097, 7215, 4830, 3171, 4965]


def test_the_leak_is_there_and_the_validation_part_has_none(real: FaceSet) -> None:
    found = repeats(real)
    assert found["PublicTest images that Training also holds"] >= 279
    assert abs(found["PublicTest images that Training also holds, or nearly"] - 438) < 5  # rounding
    training, validation = split(real)
    assert abs(len(validation) - 2871) < 10
    assert not np.isin(validation.digests, training.digests).any()


def test_the_bundled_networks_answer_as_their_records_say(real: FaceSet) -> None:
    faces = labelled_part(real, "PublicTest")[
        np.arange(40)
    ]  # thousands take long; accuracies are computed from the records
    names = [f"{digest:016x}" for digest in faces.digests]
    runs = networks(published_networks()).set_index("network").run
    assert set(runs.index) == set(bundled_names())
    for network, run in runs.items():
        said = predictions(run, "PublicTest").drop_duplicates("face").set_index("face").predicted.loc[names]
        found = open_recognizer(network, "cpu")(faces.images).argmax(1)
        assert (found == said).sum() >= 38, network  # another machine rounds otherwise


def test_the_published_figures_are_from_this_data(real: FaceSet) -> None:
    table = pd.read_csv(ROOT / "figures" / "runs.csv")
    assert set(table.fingerprint) == {real.fingerprint}
