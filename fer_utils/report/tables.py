"""Tables of the report, made from a results table."""

import pandas as pd

from fer_utils.data.faces import CLASSES
from fer_utils.models import zoo
from fer_utils.report import failures
from fer_utils.report.analysis import (
    final_measure,
    matched_pairs,
    measures,
    original,
    stated_measures,
    summarize,
)
from fer_utils.report.display import Table, note
from fer_utils.report.figures import seed_shown
from fer_utils.report.language import sentences
from fer_utils.training.recipe import RECIPES


def results_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """What each model costs and reaches."""
    say, summary = sentences(language), summarize(table)
    shown = pd.DataFrame({say["model"]: summary.model, say["parameters"]: summary.parameters})
    shown[say["million_multiply_adds"]] = summary.multiply_adds / 1e6
    for measure in measures(table):
        ends = summary[[f"{measure}_{end}" for end in ("accuracy", "low", "high")]].itertuples(index=False)
        shown[say[measure]] = [f"{accuracy:.3f} ({low:.3f}–{high:.3f})" for accuracy, low, high in ends]
        if (column := f"{measure}_accuracy_without_leak") in summary:
            shown[say["without_leak"].format(measure=say[measure])] = summary[column]
    text, theirs = say["results_caption"], summary.model.map(original(table).validation_accuracy)
    if theirs.notna().any():
        shown[say["original_validation"]] = theirs
        text += say["results_original"].format(epochs=RECIPES["original"].epochs)
    return Table(name, text, shown, note(table, language))


def architecture_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """The models of a table side by side, a property a row."""
    say, summary, rows = sentences(language), summarize(table).set_index("model"), {}
    facts = zoo.zoo(table.model.unique()).set_index("model")
    measure = final_measure(table)
    for model in table.model.unique():
        fact, row = facts.loc[model], summary.loc[model]
        rows[model] = {
            say["trainable_parameters"]: f"{fact.parameters:,}",
            say["keras_parameters"]: f"{fact.keras_parameters:,}",
            say["multiply_adds"]: f"{fact.multiply_adds:,}",
            say["file_bytes"]: f"{fact.bytes:,}",
            say["accuracy_on"].format(measure=say["validation"]): f"{row.validation_accuracy:.4f}",
            say["accuracy_on"].format(measure=say[measure]): f"{row[f'{measure}_accuracy']:.4f}",
            say["epochs"]: f"{row.epochs}",
            say["seconds"]: f"{row.seconds:,.0f}",
        }
    data = pd.DataFrame(rows).rename_axis("").reset_index()
    return Table(name, say["architectures_caption"], data, note(table, language))


def layer_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """The layers of the models side by side, with the shape that each puts out for one face."""
    say, columns, off = sentences(language), [], not RECIPES[table.recipe.iloc[0]].dropout
    for model in table.model.unique():
        rows = zoo.layers(model)
        if off:
            rows["layer"] = [say["off"].format(layer=n) if n.startswith("Dropout") else n for n in rows.layer]
        rows["parameters"] = [f"{n:,}" if n else "" for n in rows.parameters]
        columns.append(rows.rename(columns={"layer": model, "output": say["output"], "parameters": say["parameters"]}))
    return Table(name, say["layers_caption"], pd.concat(columns, axis=1).fillna(""))


def pairs_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """MobileNets beside plain CNNs of the same size."""
    say = sentences(language)
    columns = ["mobilenet", "cnn", "part", "mobilenet_accuracy", "cnn_accuracy", "difference", "p", "decided"]
    rows = []
    for pair in (pair for measure in stated_measures(table) for pair in matched_pairs(table, measure)):
        found = pair.difference
        low, high = found.interval
        rows.append(
            (
                pair.first.model,
                pair.second.model,
                say[pair.measure],
                pair.first[f"{pair.measure}_accuracy"],
                pair.second[f"{pair.measure}_accuracy"],
                f"{found.points:+.1f} ({say['range'].format(low=f'{low:+z.1f}', high=f'{high:+z.1f}')})",
                f"{found.p:.3f}" if found.p >= 0.001 else "< 0.001",
                say["yes" if found.decided else "no"],
            )
        )
    data = pd.DataFrame(rows, columns=[say.get(column, column) for column in columns])
    return Table(name, say["pairs_caption"], data, note(table, language))


def recall_table(table: pd.DataFrame, name: str, language: str) -> Table:
    """How much of each expression three nets recognize."""
    say, shown = sentences(language), {}
    for model in failures.examples(table):
        found = failures.recalls(failures.predictions_of(table, model))
        shown[say["expression"]] = [say[CLASSES[label]] for label in found.index]
        shown[say["faces"]] = list(found.faces)
        shown[model] = [f"{row.recall:.2f} ({row.low:.2f}–{row.high:.2f})" for row in found.itertuples()]
    text = say["recall_caption"].format(measure=say[final_measure(table)], seed=seed_shown(table, say))
    return Table(name, text, pd.DataFrame(shown), note(table, language))


def runs_table(table: pd.DataFrame, language: str) -> Table:
    """The runs that the numbers are from: a row a model, with its seeds and their seconds."""
    say = sentences(language)
    runs = table.assign(seed=table.seed.astype(str), seconds=table.seconds.round().astype(int).map("{:,}".format))
    runs["teachers"] = [names.count(" + ") + 1 if names else 0 for names in table.teachers]
    way = ["model", "recipe", "epochs", "teachers", "device"]
    shown = runs.groupby(way, sort=False)[["seed", "seconds"]].agg(say["comma"].join).reset_index()
    taught = ["teachers"] if runs.teachers.any() else []
    shown = shown[["model", "recipe", "epochs", *taught, "seed", "seconds", "device"]]
    return Table("runs", say["runs_caption"], shown.rename(columns=say), note(table, language))
