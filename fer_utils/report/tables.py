"""Tables of the report, made from a results table."""

import pandas as pd

from fer_utils.models import zoo
from fer_utils.report.analysis import ORIGINAL, final_measure, matched_pairs, measures, summarize
from fer_utils.report.display import Table, is_demo
from fer_utils.training.recipe import RECIPES


def results_table(table: pd.DataFrame, name: str) -> Table:
    """What each model costs and reaches."""
    summary = summarize(table)
    shown = pd.DataFrame({"model": summary.model, "parameters": summary.parameters})
    shown["million multiply-adds"] = summary.multiply_adds / 1e6
    for measure in measures(table):
        shown[measure] = [
            f"{a:.3f} ({low:.3f}–{high:.3f})"
            for a, low, high in summary[[f"{measure}_{end}" for end in ("accuracy", "low", "high")]].itertuples(
                index=False
            )
        ]
        if f"{measure}_accuracy_without_leak" in summary:
            shown[f"{measure} without leak"] = summary[f"{measure}_accuracy_without_leak"]
    original = ORIGINAL.set_index("model")
    shown["original, validation"] = summary.model.map(original.validation_accuracy)
    text = (
        "Parameters, cost of one face, and accuracy with its 95 % interval. Without leak: without the test faces that "
        "Training also holds, pixel for pixel or nearly. Original: on FER2013, after "
        f"{RECIPES['original'].epochs} epochs."
    )
    return Table(name, text, shown, is_demo(table))


def architecture_table(table: pd.DataFrame, name: str) -> Table:
    """The models of a table side by side, a property a row."""
    summary, rows = summarize(table).set_index("model"), {}
    facts = zoo.zoo().set_index("model")
    measure = final_measure(table)
    for model in table.model.unique():
        fact, row = facts.loc[model], summary.loc[model]
        rows[model] = {
            "trainable parameters": f"{fact.parameters:,}",
            "parameters as Keras counts them": f"{fact.keras_parameters:,}",
            "multiply-adds for one face": f"{fact.multiply_adds:,}",
            "bytes of the float16 file": f"{fact.bytes:,}",
            "accuracy on validation": f"{row.validation_accuracy:.4f}",
            f"accuracy on {measure}": f"{row[f'{measure}_accuracy']:.4f}",
            "epochs": f"{row.epochs}",
            "seconds of training": f"{row.seconds:,.0f}",
        }
    data = pd.DataFrame(rows).rename_axis("").reset_index()
    return Table(name, "Architecture, cost and result side by side.", data, is_demo(table))


def layer_table(table: pd.DataFrame, name: str) -> Table:
    """The layers of the models side by side, with the shape that each puts out for one face."""
    columns = []
    for model in table.model.unique():
        rows = zoo.layers(model)
        rows["parameters"] = [f"{n:,}" if n else "" for n in rows.parameters]
        columns.append(rows.rename(columns={"layer": model}))
    side_by_side = pd.concat(columns, axis=1).fillna("")
    return Table(name, "The layers, with the shape that each puts out for one face.", side_by_side)


def pairs_table(table: pd.DataFrame, name: str) -> Table:
    """MobileNets beside plain CNNs of the same size."""
    columns = ["MobileNet", "plain CNN", "MobileNet accuracy", "CNN accuracy", "difference, points", "decided"]
    rows = [
        {
            "MobileNet": pair.first.model,
            "plain CNN": pair.second.model,
            "MobileNet accuracy": pair.first.validation_accuracy,
            "CNN accuracy": pair.second.validation_accuracy,
            "difference, points": f"{pair.points:+.1f}",
            "decided": "yes" if pair.decided else "no, the intervals overlap",
        }
        for pair in matched_pairs(summarize(table))
    ]
    return Table(
        name,
        "MobileNets and plain CNNs matched by size, on validation.",
        pd.DataFrame(rows, columns=columns),
        is_demo(table),
    )


def runs_table(table: pd.DataFrame, name: str = "runs") -> Table:
    """The runs that the numbers are from."""
    shown = table[["model", "recipe", "epochs", "seed", "seconds", "device"]].copy()
    shown["seconds"] = shown.seconds.round().astype(int)
    return Table(name, "The runs that every number here is computed from.", shown, is_demo(table))
