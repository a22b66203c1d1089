"""Figures of the report, drawn from a results table."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

from fer_utils.models import zoo
from fer_utils.report.analysis import WAY, best_ways, final_measure, original, summarize
from fer_utils.report.display import Figure, note
from fer_utils.report.fonts import families
from fer_utils.report.language import Say, sentences, translated
from fer_utils.training.recipe import RECIPES, named_recipe

FAMILIES = ("mobilenet", "cnn", "vgg", "compact", "teacher")
COLOURS = dict(zip(FAMILIES, sns.color_palette("colorblind"), strict=False))
MARKERS = dict(zip(FAMILIES, "osD^P", strict=True))
# Nets of equal size look like the family that they are nearest to.
ALIKE = {"separable8": "mobilenet", "narrow8": "mobilenet", "cnn8": "cnn", "cnn8fc": "vgg", "cnn4fc": "vgg"}
COLOURS |= {family: COLOURS[other] for family, other in ALIKE.items()}
MARKERS |= dict(zip(ALIKE, "p*Xdv", strict=True))
PEERS = pd.read_csv(Path(__file__).with_name("peers.csv"))
STYLE: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.frameon": True,
}


def style(language: str) -> Any:
    """The context in which a figure is drawn."""
    return matplotlib.rc_context(STYLE | {"font.family": families(language)})


def size_scatter(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Accuracy against trainable parameters, with 95 % intervals; None of a table without runs.

    Of one family, the original report's values stand beside ours; several are held against each other alone.
    """
    if table.empty:
        return None
    say, summary = sentences(language), summarize(table)
    theirs = original(table).validation_accuracy.dropna().rename("validation_accuracy_original")
    data = summary.join(theirs if summary.family.nunique() == 1 else theirs[:0], on="model")
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.7), layout="constrained")
        axes = drawing.subplots()
        highest = data.groupby("family").validation_accuracy.median().idxmax()
        for family in sorted(data.family.unique(), key=list(MARKERS).index):
            _points(axes, data[data.family == family], family, family != highest, say)
        size_axis(axes, summary.parameters, say)
        axes.set_ylabel(say["accuracy_on"].format(measure=say["validation"]))
        drawing.legend(loc="outside lower center", ncols=2, fontsize=8)
    text = say["size_scatter_caption"].format(seeds=seeds(summary, say), epochs=epochs(summary, say))
    if data.validation_accuracy_original.notna().any():
        text += say["size_scatter_original"].format(original=RECIPES["original"].epochs)
    return Figure(name, text, drawing, data, note(table, language))


def _points(axes: Axes, rows: pd.DataFrame, family: str, below: bool, say: Say) -> None:
    """The nets of a family, ours and the original's; their sizes stand above the bars, or below them."""
    y = rows.validation_accuracy
    bars = [y - rows.validation_low, rows.validation_high - y]
    look: dict[str, Any] = {"color": COLOURS[family], "fmt": MARKERS[family]}
    label = say["this_study"].format(family=say[family])
    axes.errorbar(rows.parameters, y, bars, capsize=3, elinewidth=1, label=label, zorder=3, **look)
    theirs = rows.dropna(subset="validation_accuracy_original")
    if len(theirs):
        label = say["original_report"].format(family=say[family])
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
    """Accuracy on a test against trainable parameters: all that is published, and what others reach."""
    say, summary, measure = sentences(language), best_ways(table), final_measure(table)
    accuracy = f"{measure}_accuracy"
    with style(language):
        drawing = Drawing(figsize=(7.6, 5.6), layout="constrained")
        axes = drawing.subplots()
        for (family, taught), rows in summary.groupby(["family", summary.teachers != ""], sort=False):
            bars = [(rows[accuracy] - rows[f"{measure}_{end}"]).abs() for end in ("low", "high")]
            # A line says that accuracy changes with size, and not where nets were trained for other lengths or ways.
            joined = (
                rows.epochs.max() <= 2 * rows.epochs.min()
                and len(rows[["recipe", "optimizer", "batchnorm"]].assign(more=rows.start != "").drop_duplicates()) == 1
            )
            axes.errorbar(
                rows.parameters, rows[accuracy], bars, color=COLOURS[family], marker=MARKERS[family], capsize=3,
                elinewidth=1, linewidth=1, linestyle=("-" if taught else ":") if joined else "none",
                markerfacecolor=None if taught else "white",
                label=say["curve_taught" if taught else "curve_plain"].format(
                    family=say[family], epochs=say["comma"].join(_lengths(rows, say))
                ),
                zorder=3,
            )  # fmt: skip
        of_seeds = table.merge(summary.loc[summary.seeds > 1, WAY], on=WAY)
        axes.plot(of_seeds.parameters, of_seeds[accuracy], ".", color="0.3", markersize=3, zorder=4)
        drawing.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
        others = _others(axes, measure, language)
        drawing.legend(
            handles=others, loc="outside upper center", ncols=3, fontsize=8, title=say["others"], title_fontsize=8
        )
        size_axis(axes, pd.concat([summary.parameters, PEERS.parameters]), say)
        axes.set_ylabel(say["accuracy_on"].format(measure=say[measure]))
    text = say["curve_caption"].format(measure=say[measure], seeds=seeds(summary, say))
    return Figure(name, text, drawing, summary, note(table, language))


def _lengths(rows: pd.DataFrame, say: Say) -> Iterator[str]:
    """How long nets were trained: those that began anew, and those that went on from trained ones."""
    for more, part in rows.groupby(rows.start != ""):
        yield say["curve_more"].format(epochs=epochs(part, say)) if more else epochs(part, say)


def _others(axes: Axes, measure: str, language: str) -> list[Line2D]:
    """What others reach, each as a number: the legend has the names."""
    marks = []
    for number, peer in enumerate(PEERS.dropna(subset="parameters").sort_values("parameters").itertuples(), 1):
        where = "" if peer.measure == measure else f" ({peer.measure})"
        marks += axes.plot(
            peer.parameters, peer.accuracy, marker=f"${number}$", linestyle="none", color="black", markersize=7,
            markeredgewidth=0.2, label=f"{translated(peer.name, language)}{where}", zorder=5,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip
    return marks


def size_axis(axes: Axes, parameters: pd.Series, say: Say) -> None:
    """Make the horizontal axis one of parameters, with room for names at both ends."""
    axes.set_xscale("log")
    axes.set_xlim(parameters.min() / 1.45, parameters.max() * 1.45)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.set_xlabel(say["trainable_parameters"])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.margins(y=0.15)


def seeds(summary: pd.DataFrame, say: Say) -> str:
    """How many seeds a model has, in words."""
    low, high = summary.seeds.min(), summary.seeds.max()
    key = "one_seed" if high == 1 else "some_seeds" if low == high else "many_seeds"
    return say[key].format(low=low, high=high)


def epochs(summary: pd.DataFrame, say: Say) -> str:
    """How many epochs the models were trained, in words."""
    found = sorted(summary.epochs.unique())
    told = say["or"].join(map(str, found)) if len(found) < 3 else say["range"].format(low=found[0], high=found[-1])
    return say["one_epoch" if found == [1] else "some_epochs"].format(epochs=told)


def seed_shown(table: pd.DataFrame, say: Say) -> str:
    """Which seed a figure or table of single runs shows, where there are several."""
    return say["of_seed"].format(seed=table.seed.min()) if table.seed.nunique() > 1 else ""


def learning_curves(table: pd.DataFrame, name: str, language: str) -> Figure:
    """Validation accuracy epoch by epoch, a line a run."""
    say = sentences(language)
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
        axes.set_xlabel(say["epoch"])
        axes.set_ylabel(say["accuracy_on"].format(measure=say["validation"]))
        axes.set_xlim(0, None)
        axes.legend(title=None, loc="lower right", fontsize=8)
    trained = named_recipe(table.recipe.iloc[0], int(table.epochs.max()))
    averaged = say["of_averages"] if trained.averaging else ""
    any_size = any(zoo.takes_any_size(zoo.build(model)) for model in table.model.unique())
    grown = say["of_sizes"].format(side=trained.sides_px[-1]) if any_size and len(trained.sides_seen) > 1 else ""
    text = say["learning_curves_caption"].format(averaged=averaged, grown=grown)
    return Figure(name, text, drawing, history, note(table, language))
