"""Published results: our own runs, the original report, and other projects."""

from pathlib import Path

import pandas as pd

from fer_utils.analysis.summary import is_demo
from fer_utils.files import PACKAGE
from fer_utils.training.runs import results

RECORDS = PACKAGE / "published"  # records of runs without images or weights (`training/records.py`)
PEERS = pd.read_csv(Path(__file__).with_name("peers.csv"))
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
