"""What the command line prints: tables and scores."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table


def print_table(title: str, frame: Any) -> None:
    """Print a table with its title."""
    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        table.add_column(str(name), justify="left" if frame[name].dtype.kind in "OUT" else "right")
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else 200
    # File names may contain what Rich would read as markup.
    Console(width=width, markup=False, emoji=False).print(table)


def _cell(value: object) -> str:
    if value != value:  # NaN
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.0f}"
    return str(value) if isinstance(value, str) else f"{value:,}"


def print_scores(title: str, found: dict[str, Any]) -> None:
    """Print accuracies on labels and votes, and what they are worth in people."""
    print(f"{title}: accuracy {found['accuracy']:.4f} of {found['n']:,} faces")
    if found["accuracy_flip_averaged"] is not None:
        print(f"with horizontal-flip test-time augmentation: {found['accuracy_flip_averaged']:.4f}")
    if found["accuracy_without_leak"] is not None:
        print(f"deduplicated (without faces that are also in Training): {found['accuracy_without_leak']:.4f}")
    for name, votes in {
        "FER+'s votes": found["votes"],
        "FER+'s votes, deduplicated": found["votes_without_leak"],
    }.items():
        if votes:
            _print_votes(name, votes)


def _print_votes(name: str, votes: dict[str, Any]) -> None:
    print(f"{name}: accuracy {votes['accuracy']:.4f} against the majority of {votes['faces']:,.0f} faces")
    measures = {name: votes[name] for name in ("balanced_accuracy", "log_loss", "calibration_error") if name in votes}
    print("  " + ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in measures.items()))
    if missing := list(votes["per_class"])[int(votes["classes"]) :]:
        print(f"  over its {votes['classes']:.0f} classes; in the accuracy, {missing[0]} counts as an error")
    if "people" in votes:
        value, low, high = (_people(votes[name]) for name in ("people", "people_low", "people_high"))
        interval = "" if low == high else f" (95 % confidence interval: {low} to {high})"
        print(f"  agrees with five held-out voters on {votes['agreement']:.4f} of the faces: worth {value}{interval}")


def _people(number: float) -> str:
    if number < 1:
        return "less than one person"
    return "more than five people" if number > 5 else f"{number:.1f} people"


def print_classes(votes: dict[str, Any] | None, labels: dict[str, Any]) -> None:
    """Print precision and recall by class, against the majority of votes if given, else against labels."""
    import pandas as pd  # slow

    table = pd.DataFrame((votes or labels)["per_class"]).T.rename_axis("class").reset_index()
    title = f"By class, against {'the majority of votes' if votes else 'labels'}"
    print_table(title, table.astype({"precision": float, "recall": float, "n": int}))
