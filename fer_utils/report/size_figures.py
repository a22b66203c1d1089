"""Figures of accuracy against size and against epochs."""

from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from fer_utils.analysis.published import PEERS, original, references
from fer_utils.analysis.summary import WAY, best_ways, final_measure, run_epochs, run_seeds, summarize
from fer_utils.models import zoo
from fer_utils.report.language import Labels, labels
from fer_utils.report.outputs import Figure, note
from fer_utils.report.style import COLOURS, MARKERS, size_axis, style
from fer_utils.training.recipe import RECIPES, named_recipe


def size_scatter(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Validation accuracy against parameters; None for a table without runs.

    For a single family, the original report's values are shown as well.
    """
    if table.empty:
        return None
    strings, summary = labels(language), summarize(table)
    theirs = original(table).validation_accuracy.dropna().rename("validation_accuracy_original")
    data = summary.join(theirs if summary.family.nunique() == 1 else theirs[:0], on="model")
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.7), layout="constrained")
        axes = drawing.subplots()
        highest = data.groupby("family").validation_accuracy.median().idxmax()
        for family in sorted(data.family.unique(), key=list(MARKERS).index):
            _points(axes, data[data.family == family], family, family != highest, strings)
        beside = references(table)
        if len(beside):
            x, y = beside.parameters, beside.validation_accuracy
            axes.plot(x, y, "x", color="0.5", markersize=5, label=strings["published"], zorder=2)
        size_axis(axes, pd.concat([summary.parameters, beside.parameters]), strings)
        axes.set_ylabel(strings("accuracy_on", measure="validation"))
        drawing.legend(loc="outside lower center", ncols=2, fontsize=8)
    known = data.validation_accuracy_original.notna().any()
    text = strings(
        "size_scatter_caption", run_seeds=run_seeds(summary), run_epochs=run_epochs(summary),
        original_epochs=RECIPES["original"].epochs if known else None,
    )  # fmt: skip
    return Figure(name, text, drawing, data, note(table, language))


def _points(axes: Axes, rows: pd.DataFrame, family: str, below: bool, strings: Labels) -> None:
    """Draw the models of a family, ours and the original report's, with their sizes."""
    y = rows.validation_accuracy
    bars = [y - rows.validation_low, rows.validation_high - y]
    look: dict[str, Any] = {"color": COLOURS[family], "fmt": MARKERS[family]}
    label = strings("this_study", family=family)
    axes.errorbar(rows.parameters, y, bars, capsize=3, elinewidth=1, label=label, zorder=3, **look)
    theirs = rows.dropna(subset="validation_accuracy_original")
    if len(theirs):
        label = strings("original_report", family=family)
        axes.errorbar(
            theirs.parameters, theirs.validation_accuracy_original, label=label, markerfacecolor="white", zorder=2,
            **look,
        )  # fmt: skip
    for row in rows.itertuples():
        axes.annotate(
            row.model.partition("-")[2], (row.parameters, row.validation_low if below else row.validation_high),
            xytext=(0, -3 if below else 3), textcoords="offset points", ha="center", va="top" if below else "bottom",
            fontsize=8, color=COLOURS[family],
        )  # fmt: skip


def curve(table: pd.DataFrame, name: str, language: str) -> Figure:
    """Accuracy against parameters of all published networks and those of others."""
    strings, summary, measure = labels(language), best_ways(table), final_measure(table)
    accuracy = f"{measure}_accuracy"
    with style(language):
        drawing = Drawing(figsize=(7.6, 5.6), layout="constrained")
        axes = drawing.subplots()
        for (family, distilled), rows in summary.groupby(["family", summary.teachers != ""], sort=False):
            bars = [(rows[accuracy] - rows[f"{measure}_{end}"]).abs() for end in ("low", "high")]
            # A line compares sizes, so it joins only networks that were trained alike.
            joined = (
                rows.epochs.max() <= 2 * rows.epochs.min()
                and len(rows[["recipe", "optimizer", "batchnorm"]].assign(more=rows.start != "").drop_duplicates()) == 1
            )
            axes.errorbar(
                rows.parameters, rows[accuracy], bars, color=COLOURS[family], marker=MARKERS[family], capsize=3,
                elinewidth=1, linewidth=1, linestyle=("-" if distilled else ":") if joined else "none",
                markerfacecolor=None if distilled else "white",
                label=strings("curve_legend", family=family, distilled=distilled, lengths=_lengths(rows)),
                zorder=3,
            )  # fmt: skip
        of_seeds = table.merge(summary.loc[summary.seeds > 1, WAY], on=WAY)
        axes.plot(of_seeds.parameters, of_seeds[accuracy], ".", color="0.3", markersize=3, zorder=4)
        drawing.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
        others = _others(axes, measure, strings)
        drawing.legend(
            handles=others, loc="outside upper center", ncols=3, fontsize=8, title=strings["others"], title_fontsize=8
        )
        size_axis(axes, pd.concat([summary.parameters, PEERS.parameters]), strings)
        axes.set_ylabel(strings("accuracy_on", measure=measure))
    text = strings("curve_caption", measure=measure, run_seeds=run_seeds(summary))
    return Figure(name, text, drawing, summary, note(table, language))


def _lengths(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The epochs of networks trained from scratch, and of fine-tuned ones."""
    return [{"finetuned": finetuned, "epochs": run_epochs(part)} for finetuned, part in rows.groupby(rows.start != "")]


def _others(axes: Axes, measure: str, strings: Labels) -> list[Line2D]:
    """Draw results of others as numbers that the legend explains."""
    marks = []
    for number, peer in enumerate(PEERS.dropna(subset="parameters").sort_values("parameters").itertuples(), 1):
        where = "" if peer.measure == measure else f" ({peer.measure})"
        marks += axes.plot(
            peer.parameters, peer.accuracy, marker=f"${number}$", linestyle="none", color="black", markersize=7,
            markeredgewidth=0.2, label=f"{strings.get(peer.name, peer.name)}{where}", zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
    return marks


def learning_curves(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Validation accuracy after every epoch, one line per run; None if no run has a history."""
    strings, table = labels(language), table[[(Path(run) / "history.csv").exists() for run in table.run]]
    if table.empty:
        return None
    history = pd.concat(
        [
            pd.read_csv(Path(run) / "history.csv").assign(model=model, seed=seed)
            for run, model, seed in table[["run", "model", "seed"]].itertuples(index=False)
        ]
    )
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.7), layout="constrained")
        axes = drawing.subplots()
        colours = {model: COLOURS[zoo.family(str(model))] for model in history.model.unique()}
        sns.lineplot(
            history, x="epoch", y="validation_accuracy", hue="model", style="model", palette=colours, markers=True,
            dashes=False, units="seed", estimator=None, ax=axes,
        )  # fmt: skip
        axes.set_xlabel(strings["epoch"])
        axes.set_ylabel(strings("accuracy_on", measure="validation"))
        axes.set_xlim(0, None)
        axes.legend(title=None, loc="lower right", fontsize=8)
    trained = named_recipe(table.recipe.iloc[0], int(table.epochs.max()))
    any_size = any(zoo.takes_any_size(zoo.build(model)) for model in table.model.unique())
    side_px = trained.sides_px[-1] if any_size and len(trained.sides_seen) > 1 else None
    text = strings("learning_curves_caption", averaged=trained.averaging, side_px=side_px)
    return Figure(name, text, drawing, history, note(table, language))
