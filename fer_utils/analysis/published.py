"""Published results: our own runs, the original report, and other projects."""

from pathlib import Path

import pandas as pd

from fer_utils.analysis.summary import is_demo
from fer_utils.errors import InputError
from fer_utils.files import PACKAGE
from fer_utils.models.matched import CHAIN
from fer_utils.training.runs import results

PUBLISHED = "published"  # as the data of a notebook: our own runs
RECORDS = PACKAGE / "published"  # records of runs without images or weights (`training/records.py`)
PEERS = pd.read_csv(Path(__file__).with_name("peers.csv"))
FORMATS = pd.read_csv(Path(__file__).with_name("compression.csv"))  # bundled networks as files
PEERS_ON_VOTES = pd.read_csv(Path(__file__).with_name("peers_votes.csv"))  # against the majority and five voters
# The original report: validation for questions 2 and 3, PublicTest for question 1.
ORIGINAL = pd.DataFrame(
    [
        ("mobilenet-46k", 0.636364, 0.63109),
        ("mobilenet-112k", 0.643330, None),
        ("mobilenet-158k", 0.654824, None),
        ("cnn-48k", 0.449321, None),
        ("cnn-103k", 0.576106, None),
        ("cnn-150k", 0.612679, None),
        ("cnn-852k", 0.655869, None),
        ("vgg-1.9m", None, 0.68487),
    ],
    columns=["model", "validation_accuracy", "PublicTest_accuracy"],
)


def original(table: pd.DataFrame) -> pd.DataFrame:
    """The original report's accuracies by model; none for a table of demo results."""
    return (ORIGINAL[:0] if is_demo(table) else ORIGINAL).set_index("model")


def published_runs() -> pd.DataFrame:
    """The results table of the published runs, which need neither FER2013 nor training.

    Runs with an empty `key` are of bundled networks that were trained before the study, each in its own way.
    """
    return results(sorted(file.parent for file in RECORDS.glob("*/run.json")))


def published_networks() -> pd.DataFrame:
    """The published runs except those of the ablation, whose networks are steps from one network to another."""
    return published_runs()[lambda runs: ~runs.family.isin(CHAIN)].reset_index(drop=True)


def trained_alike(table: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """The published runs of some models from labels, all trained in the same way.

    If the study has runs of all of them, these are taken: those without teachers, else the distilled ones. Otherwise,
    the bundled networks from before the study (`is_earlier`). Raises `InputError` for a model without a run.
    """
    runs = table[table.model.isin(models) & (table.target == "labels")]
    earlier, distilled = runs.key == "", runs.teachers != ""
    for group in (runs[~earlier & ~distilled], runs[~earlier & distilled], runs[earlier]):
        if set(models) <= set(group.model):
            return group.reset_index(drop=True)
    missing = sorted(set(models) - set(runs[earlier].model))
    raise InputError(f"no published runs of {', '.join(missing)}; set `data` to the path of FER2013 to train them")


def is_published(table: pd.DataFrame) -> bool:
    """Whether all runs of a results table are published ones."""
    return bool(table.run.isin(published_runs().run).all())


def references(table: pd.DataFrame) -> pd.DataFrame:
    """The published networks from labels that are not in the table, to show beside it; none for the demo faces."""
    runs = published_networks()
    return runs[:0] if is_demo(table) else runs[~runs.run.isin(table.run) & (runs.target == "labels")]


def peers_of(table: pd.DataFrame) -> pd.DataFrame:
    """The published networks of the table's families, to compare one's own with; none if all of it is published."""
    beside = references(table)
    return beside[beside.family.isin(table.family) & (not is_published(table))]
