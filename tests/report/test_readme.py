import pandas as pd

from fer_utils.report.readme import BLOCK, results_block
from tests.conftest import ROOT
from tests.report.test_analysis import table_of


def test_the_block_has_a_row_a_model() -> None:
    block = results_block([table_of({"cnn-48k": 0.5, "mobilenet-46k": 0.62})])
    assert "| cnn-48k | 47,511 | 12.3 | 0.5000 | **0.4900** (0.474–0.506) | 0.4700 | 0.4493 | – | 12 | 1.7 |" in block
    assert "| mobilenet-46k | 45,959 |" in block


def test_the_readme_shows_the_published_tables() -> None:
    found = BLOCK.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found
    tables = [pd.read_csv(path) for path in sorted((ROOT / "figures").glob("results*.csv"))]
    assert found[0] == results_block(tables)
