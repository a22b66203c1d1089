"""Figures of accuracy against size and against epochs."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fer_utils.analysis.published import PEERS, is_published, original, peers_of, references
from fer_utils.analysis.summary import WAY, best_ways, final_measure, is_demo, run_epochs, run_seeds, summarize
from fer_utils.models import zoo
from fer_utils.report.language import Labels, labels
from fer_utils.report.outputs import Absent, Figure, note
from fer_utils.report.placement import Name, place_names
from fer_utils.report.style import COLOURS, DARK, GRAY, MARKERS, size_axis, style
from fer_utils.training.recipe import RECIPES, named_recipe


def size_scatter(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Validation accuracy against parameters; None for a table without runs.

    For a single family, the original report's values are shown as well, and beside one's own runs the published ones.
    """
    if table.empty:
        return None
    strings, summary = labels(language), summarize(table)
    theirs = original(table).validation_accuracy.dropna().rename("validation_accuracy_original")
    data = summary.join(theirs if summary.family.nunique() == 1 else theirs[:0], on="model")
    beside = peers_of(table)
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.3), layout="constrained")
        axes = drawing.subplots()
        names = []
        for family, rows in data.groupby("family", sort=False):
            names += _series(axes, rows, "validation", strings("this_study", family=family))
            theirs = rows.dropna(subset="validation_accuracy_original")
            names += _open_points(
                axes, theirs.parameters, theirs.validation_accuracy_original, COLOURS[str(family)],
                MARKERS[str(family)], strings["original_report"],
            )  # fmt: skip
        names += _open_points(axes, beside.parameters, beside.validation_accuracy, GRAY, "x", strings["published"])
        names += [
            Name(row.model.partition("-")[2], row.parameters, row.validation_accuracy, {"color": COLOURS[row.family]})
            for row in data.itertuples()
        ]
        size_axis(axes, pd.concat([summary.parameters, beside.parameters]), strings)
        axes.set_ylabel(strings("accuracy_on", measure="validation"))
        place_names(axes, names)
    known = data.validation_accuracy_original.notna().any()
    text = strings(
        "size_scatter_caption", run_seeds=run_seeds(summary), run_epochs=run_epochs(summary),
        original=known, original_epochs=RECIPES["original"].epochs if "mobilenet" in set(data.family) else None,
    )  # fmt: skip
    return Figure(name, text, drawing, data, note(table, language))


def curve(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Accuracy on the test against parameters, among published networks of this project and of others.

    None for a table without runs.
    """
    if table.empty:
        return None
    strings, measure, beside = labels(language), final_measure(table), references(table)
    published = is_published(table)
    summary = best_ways(pd.concat([table, beside]) if published else table)
    others = PEERS[:0] if is_demo(table) else PEERS.dropna(subset="parameters")
    accuracy = f"{measure}_accuracy"
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.7), layout="constrained")
        axes = drawing.subplots()
        names = []
        for (family, distilled), rows in summary.groupby(["family", summary.teachers != ""], sort=False):
            title = strings("curve_series", family=family, distilled=distilled)
            names += _series(axes, rows, measure, title, filled=distilled, joined=True)
        of_seeds = table.merge(summary.loc[summary.seeds > 1, WAY], on=WAY)
        axes.plot(of_seeds.parameters, of_seeds[accuracy], ".", color=DARK, markersize=3, zorder=4)
        if not published and accuracy in beside:
            names += _open_points(axes, beside.parameters, beside[accuracy], GRAY, "x", strings["published"])
        axes.plot(others.parameters, others.accuracy, "o", color=GRAY, markersize=3.5, zorder=2)
        for peer in others.itertuples():
            text = strings("peer", name=peer.name, measure=peer.measure if peer.measure != measure else None)
            names.append(Name(text, peer.parameters, peer.accuracy, {"color": GRAY, "fontsize": 7}))
        sizes = pd.concat([summary.parameters, others.parameters, beside.parameters])
        size_axis(axes, sizes, strings)
        axes.set_ylabel(strings("accuracy_on", measure=measure))
        place_names(axes, names)
    text = strings(
        "curve_caption", measure=measure, run_seeds=run_seeds(summary), others=len(others),
        undistilled=(summary.teachers == "").any(), compact="compact" in set(summary.family),
    )  # fmt: skip
    return Figure(name, text, drawing, summary, note(table, language))


def _series(
    axes: Axes, rows: pd.DataFrame, measure: str, title: str, *, filled: bool = True, joined: bool = False
) -> list[Name]:
    """Draw networks of one family with their intervals; return the family's name at its most accurate network."""
    family = str(rows.family.iloc[0])
    y = rows[f"{measure}_accuracy"]
    bars = [(y - rows[f"{measure}_{end}"]).abs() for end in ("low", "high")]
    axes.errorbar(
        rows.parameters, y, bars, color=COLOURS[family], marker=MARKERS[family], capsize=2, elinewidth=0.8,
        linewidth=1, linestyle="-" if joined else "none", markersize=5.5,
        markerfacecolor=None if filled else "white", zorder=3,
    )  # fmt: skip
    top = rows.loc[y.idxmax()]
    return [Name(title, top.parameters, y.max(), {"color": COLOURS[family], "weight": "bold"})]


def _open_points(
    axes: Axes, parameters: pd.Series, accuracies: pd.Series, colour: Any, marker: str, title: str
) -> list[Name]:
    """Draw points to compare with, without intervals; return their name at the last one, if there are any."""
    axes.plot(parameters, accuracies, marker, color=colour, markersize=5, markerfacecolor="white", zorder=2)
    if parameters.empty:
        return []
    last = parameters.idxmax()
    return [Name(title, parameters[last], accuracies[last], {"color": colour})]


def learning_curves(table: pd.DataFrame, name: str, language: str) -> Figure | Absent:
    """Validation accuracy after every epoch, one line per run, if a run has a history."""
    strings, table = labels(language), table[[(Path(run) / "history.csv").exists() for run in table.run]]
    if table.empty:
        return Absent(strings["no_history"])
    history = pd.concat(
        [
            pd.read_csv(Path(run) / "history.csv").assign(model=model, seed=seed)
            for run, model, seed in table[["run", "model", "seed"]].itertuples(index=False)
        ]
    )
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.3), layout="constrained")
        draw_histories(drawing.subplots(), history, strings)
    trained = named_recipe(table.recipe.iloc[0], int(table.epochs.max()))
    any_size = any(zoo.takes_any_size(zoo.build(model)) for model in table.model.unique())
    side_px = trained.sides_px[-1] if any_size and len(trained.sides_seen) > 1 else None
    text = strings("learning_curves_caption", averaged=trained.averaging, side_px=side_px)
    return Figure(name, text, drawing, history, note(table, language))


def draw_histories(axes: Axes, history: pd.DataFrame, strings: Labels) -> None:
    """Draw validation accuracy by epoch, a line for each model and seed, each model named once.

    `history` has the columns model, seed, epoch and validation_accuracy.
    """
    names = {}
    for (model, _), rows in history.groupby(["model", "seed"], sort=False):
        colour = COLOURS[zoo.family(str(model))]
        axes.plot(rows.epoch, rows.validation_accuracy, "o-", color=colour, markersize=2.5, linewidth=1)
        last = rows.iloc[-1]
        names[model] = Name(str(model), last.epoch, last.validation_accuracy, {"color": colour})
    axes.set_xlabel(strings["epoch"])
    axes.set_ylabel(strings("accuracy_on", measure="validation"))
    axes.set_xlim(0, 1.2 * history.epoch.max())  # with room for the names
    place_names(axes, names.values())
