"""Figures of the report, drawn from a results table."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, NullFormatter, ScalarFormatter

from fer_utils.models import zoo
from fer_utils.report.analysis import ORIGINAL, final_measure, summarize
from fer_utils.report.display import Figure, is_demo
from fer_utils.training.recipe import RECIPES

FAMILIES = {
    "mobilenet": "MobileNet",
    "cnn": "plain CNN",
    "vgg": "VGG",
    "compact": "compact net",
    "teacher": "ResNet, the teacher",
}
COLOURS = dict(zip(FAMILIES, sns.color_palette("colorblind"), strict=False))
MARKERS = dict(zip(FAMILIES, "osD^P", strict=True))
PEERS = pd.read_csv(Path(__file__).with_name("peers.csv"))
LABELS = {"left": (-5, 0), "right": (5, 0), "above": (5, 6), "below": (5, -6)}  # points from a peer to its name
STYLE: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.frameon": True,
}


def size_scatter(table: pd.DataFrame, name: str) -> Figure:
    """Accuracy against trainable parameters, with 95 % intervals, and the original report's values beside ours."""
    summary = summarize(table)
    original = (
        summary[["model", "family", "parameters"]].merge(ORIGINAL, on="model").dropna(subset="validation_accuracy")
    )
    with matplotlib.rc_context(STYLE):
        drawing = Drawing(figsize=(6.3, 3.9), layout="constrained")
        axes = drawing.subplots()
        for family, rows in summary.groupby("family", sort=False):
            _points(axes, rows, str(family), summary.parameters)
        for family, rows in original.groupby("family", sort=False):
            label = f"{FAMILIES[str(family)]}, original report (FER2013)"
            axes.plot(
                rows.parameters, rows.validation_accuracy, MARKERS[str(family)], color=COLOURS[str(family)],
                markerfacecolor="white", label=label, zorder=2,
            )  # fmt: skip
        _size_axis(axes, summary.parameters)
        axes.set_ylabel("accuracy on validation")
        drawing.legend(loc="outside lower center", ncols=2, fontsize=8)
    data = summary.merge(original[["model", "validation_accuracy"]], "left", on="model", suffixes=("", "_original"))
    seeds = _seeds(summary)
    text = (
        f"Accuracy on validation against trainable parameters. Bars: 95 % interval over the faces; {seeds}, "
        f"{_epochs(summary)}, where the original trained {RECIPES['original'].epochs}."
    )
    return Figure(name, text, drawing, data, is_demo(table))


def _points(axes: Axes, rows: pd.DataFrame, family: str, others: pd.Series) -> None:
    y = rows.validation_accuracy
    bars = [y - rows.validation_low, rows.validation_high - y]
    axes.errorbar(
        rows.parameters, y, bars, fmt=MARKERS[family], color=COLOURS[family], capsize=3, elinewidth=1,
        label=f"{FAMILIES[family]}, this study", zorder=3,
    )  # fmt: skip
    for model, x, accuracy in rows[["model", "parameters", "validation_accuracy"]].itertuples(index=False):
        # The legend names the family; the size stands on the side away from the nearest other model.
        near = others[others != x].iloc[(np.log(others[others != x] / x)).abs().argsort()[:1]]
        left = len(near) and near.iloc[0] > x
        axes.annotate(
            model.partition("-")[2], (x, accuracy), xytext=(-5 if left else 5, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=8, color=COLOURS[family],
        )  # fmt: skip


def curve(table: pd.DataFrame, name: str = "curve") -> Figure:
    """Accuracy on a test against trainable parameters: all that is published, and what others reach."""
    summary, measure = summarize(table), final_measure(table)
    accuracy = f"{measure}_accuracy"
    with matplotlib.rc_context(STYLE):
        drawing = Drawing(figsize=(7.6, 4.8), layout="constrained")
        axes = drawing.subplots()
        for (family, taught), rows in summary.groupby(["family", summary.teachers != ""], sort=False):
            # Between seeds where there are several, else what the number of faces allows.
            seeds = rows[f"{measure}_deviation"]
            bars = [
                seeds.fillna((rows[accuracy] - rows[f"{measure}_{end}"]).abs()).to_numpy() for end in ("low", "high")
            ]
            axes.errorbar(
                rows.parameters, rows[accuracy], bars, color=COLOURS[family], marker=MARKERS[family], capsize=3,
                elinewidth=1, linewidth=1, linestyle="-" if taught else ":",
                markerfacecolor=None if taught else "white",
                label=f"{FAMILIES[family]}, taught" if taught else FAMILIES[family], zorder=3,
            )  # fmt: skip
        _others(axes, measure)
        _size_axis(axes, pd.concat([summary.parameters, PEERS.parameters]))
        axes.set_ylabel(f"accuracy on {measure}")
        axes.legend(loc="lower right", fontsize=8)
    text = (
        f"Accuracy on {measure} against trainable parameters; {_seeds(summary)}. Bars: the deviation between seeds, or "
        f"for one seed the 95 % interval over the faces. Others: on {measure} unless said otherwise."
    )
    return Figure(name, text, drawing, summary, is_demo(table))


def _others(axes: Axes, measure: str) -> None:
    """What others reach, each with its name on the side where there is room."""
    axes.plot(PEERS.parameters, PEERS.accuracy, "x", color="0.35", label="others", zorder=2)
    for peer in PEERS.itertuples():
        where = "" if peer.measure == measure else f" ({peer.measure})"
        axes.annotate(
            f"{peer.name}{where}", (peer.parameters, peer.accuracy), xytext=LABELS[peer.label],
            textcoords="offset points", ha="right" if peer.label == "left" else "left", va="center", fontsize=7,
            color="0.35",
        )  # fmt: skip


def _size_axis(axes: Axes, parameters: pd.Series) -> None:
    axes.set_xscale("log")
    axes.set_xlim(parameters.min() / 1.45, parameters.max() * 1.45)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ticks = [t for t in (20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000) if _inside(axes, t)]
    axes.set_xticks(ticks)
    axes.set_xlabel("trainable parameters")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.margins(y=0.15)


def _inside(axes: Axes, x: float) -> bool:
    low, high = axes.get_xlim()
    return low <= x <= high


def _seeds(summary: pd.DataFrame) -> str:
    low, high = summary.seeds.min(), summary.seeds.max()
    if high == 1:
        return "one seed a model"
    return f"mean of {low} seeds a model" if low == high else f"mean of {low} to {high} seeds a model"


def _epochs(summary: pd.DataFrame) -> str:
    return f"{' or '.join(map(str, sorted(summary.epochs.unique())))} epochs"


def learning_curves(table: pd.DataFrame, name: str) -> Figure:
    """Validation accuracy epoch by epoch, a line a run."""
    history = pd.concat(
        [
            pd.read_csv(Path(run) / "history.csv").assign(model=model, seed=seed)
            for run, model, seed in table[["run", "model", "seed"]].itertuples(index=False)
        ]
    )
    with matplotlib.rc_context(STYLE):
        drawing = Drawing(figsize=(6.3, 2.9), layout="constrained")
        axes = drawing.subplots()
        colours = {model: COLOURS[zoo.family(str(model))] for model in history.model.unique()}
        sns.lineplot(
            history, x="epoch", y="validation_accuracy", hue="model", style="model", palette=colours, markers=True,
            dashes=False, units="seed", estimator=None, ax=axes,
        )  # fmt: skip
        axes.set_ylabel("accuracy on validation")
        axes.set_xlim(0, None)
        axes.legend(title=None, loc="lower right", fontsize=8)
    text = "Accuracy on validation after every epoch of training."
    return Figure(name, text, drawing, history, is_demo(table))
