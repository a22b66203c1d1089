"""The README's table, made from the published results tables: `python -m fer_utils.report.readme README.md CSV...`."""

import re
import sys
from pathlib import Path

import pandas as pd

from fer_utils.errors import FerError
from fer_utils.files import write_whole
from fer_utils.report.analysis import ORIGINAL, final_measure, summarize
from fer_utils.report.display import Table
from fer_utils.training.recipe import RECIPES

BLOCK = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- /results -->)", re.DOTALL)


def results_block(tables: list[pd.DataFrame]) -> str:
    """A Markdown table with a row for each model of each results table, and what it was measured on."""
    rows = pd.concat([_rows(table) for table in tables])
    body = Table("readme", "", rows).markdown().partition("\n\n")[0]
    return f"{body}\n\n{_about(pd.concat(tables))}\n"


def _rows(table: pd.DataFrame) -> pd.DataFrame:
    summary, measure = summarize(table), final_measure(table)
    intervals = summary[[f"{measure}_accuracy", f"{measure}_low", f"{measure}_high"]].itertuples(index=False)
    original = ORIGINAL.set_index("model")
    return pd.DataFrame(
        {
            "model": summary.model,
            "parameters": summary.parameters,
            "million multiply-adds": summary.multiply_adds / 1e6,
            "validation": summary.validation_accuracy,
            measure: [f"**{accuracy:.4f}** ({low:.3f}–{high:.3f})" for accuracy, low, high in intervals],
            "without leak": summary.get(f"{measure}_accuracy_without_leak"),
            "original, validation": summary.model.map(original.validation_accuracy),
            "original, PublicTest": summary.model.map(original.PublicTest_accuracy),
            "epochs": summary.epochs,
            "minutes": summary.seconds / 60,
        }
    )


def _about(table: pd.DataFrame) -> str:
    recipes, devices = (", ".join(sorted(set(table[column]))) for column in ("recipe", "device"))
    seeds = table.seed.nunique()
    return (
        f"Recipe {recipes}, {seeds} seed{'s' if seeds > 1 else ''} a model, on {devices}. In brackets the 95 % "
        f"interval for the number of faces. The original trained {RECIPES['original'].epochs} epochs."
    )


def main() -> None:
    """Put the table of the CSV files into the README."""
    readme, *files = map(Path, sys.argv[1:])
    text = readme.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise FerError(f"{readme}: no place for the table, which lies between <!-- results --> and <!-- /results -->")
    block = results_block([pd.read_csv(file) for file in sorted(files)])
    write_whole(readme, BLOCK.sub(lambda _: block, text))


if __name__ == "__main__":
    main()
