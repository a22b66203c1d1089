"""What holds on the real FER2013; skipped where it is not there."""

import numpy as np
import pandas as pd
import pytest

from fer_utils.data.faces import FaceSet, counts, repeats, split
from fer_utils.data.load import load
from fer_utils.inference.recognizer import open_recognizer
from fer_utils.models.bundled import bundled_names
from fer_utils.models.matched import FAMILIES
from fer_utils.models.zoo import MODELS, family
from fer_utils.training.metrics import labelled_part, prediction_table, score
from figures.publish import read_tables
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


def test_the_shipped_weights_have_the_accuracy_of_the_table(real: FaceSet) -> None:
    table = read_tables([ROOT / "figures" / "runs.csv"])
    shipped = table[table.shipped & (table.target == "labels")].set_index("model").PublicTest_accuracy
    assert {name for name in bundled_names() if name.endswith(".fer2013")} == {
        f"{name}.fer2013" for name in shipped.index
    }
    untrained = (*FAMILIES, "narrow8", "minixception", "mobilenetv2")  # the ablation, and networks of others
    published = {name for name in MODELS if family(name) not in untrained}
    assert set(shipped.index) == published
    for name in ("cnn-48k", "compact-46k"):  # the others take longer
        worth = score(prediction_table(open_recognizer(name, "cpu"), labelled_part(real, "PublicTest")))
        assert worth["accuracy"] == pytest.approx(shipped[name], abs=3 / 3589)  # another machine rounds otherwise


def test_the_published_figures_are_from_this_data(real: FaceSet) -> None:
    table = pd.read_csv(ROOT / "figures" / "runs.csv")
    assert set(table.fingerprint) == {real.fingerprint}
