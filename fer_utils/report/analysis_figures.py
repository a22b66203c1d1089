"""Figures of question 4: ablation, costs and confusion matrices."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from fer_utils.analysis import confusion
from fer_utils.analysis.comparisons import STEPS, budgets, steps
from fer_utils.analysis.costs import costs, front
from fer_utils.analysis.published import PEERS
from fer_utils.analysis.summary import Results, final_measure, is_demo, run_epochs, run_seeds, shown_seed, summarize
from fer_utils.data.faces import CLASSES
from fer_utils.models import matched, zoo
from fer_utils.report.language import Labels, labels, minus
from fer_utils.report.outputs import Absent, Figure, note
from fer_utils.report.placement import Name, place_names
from fer_utils.report.style import COLOURS, DARK, GRAY, MARKERS, size_axis, style

EQUAL_SIZE = ("separable8", "cnn8", "cnn8fc")  # the first two differ in block and width, the last two in the head
SHOWN_COSTS = ("million_multiply_adds", "kilobytes", "milliseconds", "seconds")  # parameters have their own figure
GAIN, LOSS = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]


def equal_size(table: pd.DataFrame, name: str, language: str) -> Figure | Absent:
    """Accuracy against parameters, for networks that differ in head, block or width, at two sizes or more."""
    strings = labels(language)
    if len(budgets(table)) < 2:
        return Absent(strings["no_sizes"])
    measure = final_measure(table)
    runs = table[table.family.isin(EQUAL_SIZE)]
    summary = summarize(runs)
    with style(language):
        drawing = Drawing(figsize=(6.3, 3.0), layout="constrained")
        axes = drawing.subplots()
        names = []
        for place, family in enumerate(EQUAL_SIZE):
            rows = summary[summary.family == family]
            aside = 1.03 ** (place - 1)  # keeps the bars apart
            y = rows[f"{measure}_accuracy"]
            bars = [(y - rows[f"{measure}_{end}"]).abs() for end in ("low", "high")]
            axes.errorbar(
                aside * rows.parameters, y, bars, marker=MARKERS[family], color=COLOURS[family], capsize=3,
                elinewidth=1, linewidth=1, zorder=3,
            )  # fmt: skip
            of_seeds = runs[runs.family == family]
            axes.plot(
                aside * of_seeds.parameters, of_seeds[f"{measure}_accuracy"], ".", color=DARK, markersize=3, zorder=4
            )
            options = {"color": COLOURS[family], "weight": "bold"}
            names.append(Name(strings[family], aside * rows.parameters.iloc[-1], y.iloc[-1], options))
        size_axis(axes, summary.parameters, strings)
        axes.set_ylabel(strings("accuracy_on", measure=measure))
        place_names(axes, names)
    text = strings(
        "equal_size_caption", measure=measure, run_seeds=run_seeds(summary), run_epochs=run_epochs(summary),
        recipe=runs.recipe.iloc[0],
    )  # fmt: skip
    return Figure(name, text, drawing, summary, note(table, language))


def ablation(table: pd.DataFrame, name: str, language: str) -> Figure | Absent:
    """The steps of the ablation as a waterfall chart, one panel per budget."""
    strings, shown, results = labels(language), budgets(table), Results(table)
    if not shown:
        return Absent(strings["no_ablation"])
    measure = results.measure
    data = pd.concat([_steps(results, budget) for budget in shown], ignore_index=True)
    ends = pd.concat([data.before, data.after, data.before + data.low, data.before + data.high])
    floor, ceiling = ends.min() - 1, ends.max() + 2.5  # with room for the numbers
    with style(language):
        drawing = Drawing(figsize=(6.3, 0.6 + 1.1 * len(shown)), layout="constrained")
        for axes, (budget, rows) in zip(
            drawing.subplots(len(shown), sharex=True, squeeze=False)[:, 0], data.groupby("budget"), strict=True
        ):
            _waterfall(axes, rows, strings, floor)
            axes.set_title(f"{budget:,}", loc="right")
        axes.set_xlim(floor, ceiling)  # shared by all panels
        drawing.supxlabel(strings("percent", text=strings("accuracy_on", measure=measure)), fontsize=9)
    summary = summarize(table[table.model.isin(matched.chain(shown[0]))])
    text = strings(
        "ablation_caption", measure=measure, run_seeds=run_seeds(summary), run_epochs=run_epochs(summary)
    )  # fmt: skip
    return Figure(name, text, drawing, data, note(table, language))


def _steps(results: Results, budget: int) -> pd.DataFrame:
    """One row per step, with the accuracies before and after it in percent."""
    rows = []
    for what, pair in zip(STEPS, steps(results, budget), strict=True):
        before, after = (100 * net[f"{pair.measure}_accuracy"] for net in (pair.second, pair.first))
        low, high = pair.difference.interval
        found = pair.difference
        rows.append(
            (budget, what, pair.second.model, pair.first.model, before, after, low, high, found.p, found.decided)
        )
    columns = ["budget", "step", "from", "to", "before", "after", "low", "high", "p", "decided"]
    return pd.DataFrame(rows, columns=columns)


def _waterfall(axes: Axes, rows: pd.DataFrame, strings: Labels, floor: float) -> None:
    """Horizontal bars from top to bottom: the first model, the steps, the last model."""
    first, last = rows.iloc[0], rows.iloc[-1]
    keys = [zoo.family(first["from"]), *rows.step, zoo.family(last["to"])]
    axes.barh([0, len(rows) + 1], [first.before - floor, last.after - floor], left=floor, color="0.75", height=0.6)
    for place, row in enumerate(rows.itertuples(), 1):
        gain = row.after - row.before
        axes.barh(
            place, gain, left=row.before, height=0.6, color=GAIN if gain > 0 else LOSS,
            alpha=1 if row.decided else 0.45, hatch=None if row.decided else "////", edgecolor="white",
        )  # fmt: skip
        axes.errorbar(
            row.after, place, xerr=[[gain - row.low], [row.high - gain]], color="0.2", capsize=2, elinewidth=1
        )
        axes.annotate(
            minus(f"{gain:+.1f}"), (max(row.before + row.high, row.before), place), xytext=(5, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    axes.set_yticks(range(len(keys)), [strings[key] for key in keys])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def cost_panels(table: pd.DataFrame, name: str, language: str) -> Figure:
    """Accuracy against each cost, one panel per cost, with the Pareto front."""
    strings, measure, data = labels(language), final_measure(table), costs(table)
    others = PEERS[:0] if is_demo(table) else PEERS[PEERS.measure == measure]
    # The time of a network that went on from pretrained weights is not all of its training.
    shown = [cost for cost in SHOWN_COSTS if cost != "seconds" or not (data.start != "").any()]
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.3), layout="constrained")
        names = {}
        for axes, cost in zip(drawing.subplots(1, len(shown), sharey=True), shown, strict=True):
            on_front = data.iloc[front(data[cost], data[f"{measure}_accuracy"])]
            data[f"{cost}_front"] = data.index.isin(on_front.index)
            known = others.dropna(subset=cost) if cost in others else others[:0]
            names[axes] = _cost_panel(axes, data, on_front, known, cost, measure, strings)
        drawing.supylabel(strings("accuracy_on", measure=measure), fontsize=9)
        for axes, own in names.items():
            place_names(axes, own)
    text = strings("costs_caption", measure=measure, others=len(others), time="seconds" in shown)
    return Figure(name, text, drawing, data, note(table, language))


def _cost_panel(
    axes: Axes, data: pd.DataFrame, on_front: pd.DataFrame, others: pd.DataFrame, cost: str, measure: str,
    strings: Labels,
) -> list[Name]:  # fmt: skip
    """Draw a panel; return the names to be placed in it."""
    accuracy, names = f"{measure}_accuracy", []
    steps_x, steps_y = (np.repeat(on_front[column], 2) for column in (cost, accuracy))
    axes.plot(steps_x[1:], steps_y[:-1], color="0.7", linewidth=1, zorder=1)
    axes.plot(others[cost] if len(others) else [], others.accuracy, "o", color=GRAY, markersize=3.5, zorder=2)
    for group, rows in data.groupby("family", sort=False):
        family = str(group)
        axes.plot(rows[cost], rows[accuracy], MARKERS[family], color=COLOURS[family], markersize=5)
        top = rows.loc[rows[accuracy].idxmax()]
        names.append(Name(strings[family], top[cost], top[accuracy], {"color": COLOURS[family], "weight": "bold"}))
    for peer in others.to_dict("records"):
        options = {"color": GRAY, "fontsize": 7}
        names.append(Name(strings.get(peer["name"], peer["name"]), peer[cost], peer["accuracy"], options))
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.12)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x < 1000 else EngFormatter(sep="")(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(strings[cost])
    return names


def confusion_panels(table: pd.DataFrame, name: str, language: str) -> Figure:
    """The confusion matrices of three networks side by side."""
    strings, measure, models = labels(language), final_measure(table), confusion.examples(table)
    names, frames = [strings[name] for name in CLASSES], []
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.9), layout="constrained")
        for axes, model in zip(drawing.subplots(1, len(models), sharey=True, squeeze=False)[0], models, strict=True):
            shares = 100 * confusion.confusion(confusion.predictions_of(table, model))
            sns.heatmap(
                shares, ax=axes, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False, square=True,
                annot_kws={"fontsize": 6}, xticklabels=names, yticklabels=names,
            )  # fmt: skip
            axes.set_title(model)
            axes.tick_params(labelsize=7)
            axes.set_xticklabels(names, rotation=60, ha="right", rotation_mode="anchor")
            axes.tick_params(axis="y", labelrotation=0)
            frames.append(pd.DataFrame(shares, columns=list(CLASSES)).assign(model=model, label=CLASSES))
    text = strings("confusion_caption", measure=measure, seed=shown_seed(table))
    return Figure(name, text, drawing, pd.concat(frames), note(table, language))
