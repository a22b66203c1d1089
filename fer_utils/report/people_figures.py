"""Figures of question 5: networks among people."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fer_utils.analysis import people
from fer_utils.analysis.published import PEERS_ON_VOTES
from fer_utils.analysis.summary import final_measure, is_demo
from fer_utils.data.people import ODD
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.report.language import labels
from fer_utils.report.outputs import Figure, note
from fer_utils.report.style import size_axis, style

JOINED = "compact"  # the family whose networks are joined by a line
COLOURS = dict(zip(("votes", "labels"), sns.color_palette("colorblind"), strict=False))
GRAY, DARK = "0.55", "0.25"


def worth(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """Agreement with people against parameters; None if the faces have no votes."""
    strings, said, measure = labels(language), people.answers_of(table), final_measure(table)
    if not said:
        return None
    every = people.agreements(said)
    data = people.networks(table).set_index("network").loc[list(said), ["model", "family", "target", "parameters"]]
    data = data.join(every)
    peers = PEERS_ON_VOTES[:0] if is_demo(table) else PEERS_ON_VOTES[PEERS_ON_VOTES.measure == measure]
    with style(language):
        drawing = Drawing(figsize=(6.3, 3.7), layout="constrained")
        axes = drawing.subplots()
        size_axis(axes, pd.concat([data.parameters, peers.parameters]), strings)
        others = data[data.family != JOINED]
        axes.plot(others.parameters, others.agreement, "o", color=GRAY, markersize=3.5, zorder=2)
        axes.plot(peers.parameters, peers.agreement, "D", color=GRAY, markersize=4.5, zorder=2)
        for row in peers.itertuples():
            _beside(axes, row.parameters, row.agreement, row.name, GRAY)
        for target, rows in data[data.family == JOINED].groupby("target"):
            _family(axes, rows, COLOURS[str(target)], strings("trained_from", target=target))
        levels = {strings("person", number=k): every.agreement[str(k)] for k in ODD}
        levels[strings["fer2013_label"]] = every.agreement[people.LABEL]
        for text, level in levels.items():
            axes.axhline(level, color=DARK, linewidth=0.9, linestyle="--", zorder=1)
            axes.annotate(
                text, (1, level), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=8, color=DARK, annotation_clip=False,
            )  # fmt: skip
        axes.grid(visible=False)
        axes.set_ylabel(strings["agreement"])
    text = strings("worth_caption", measure=measure)
    return Figure(name, text, drawing, data.reset_index(), note(table, language))


def _family(axes: Axes, rows: pd.DataFrame, colour: object, text: str) -> None:
    """A line with bars through networks by size, named at its start."""
    bars = [(rows.agreement - rows[f"agreement_{end}"]).abs() for end in ("low", "high")]
    axes.errorbar(
        rows.parameters,
        rows.agreement,
        bars,
        marker="o",
        color=colour,
        capsize=3,
        elinewidth=1,
        linewidth=1.5,
        zorder=3,
    )
    first = rows.loc[rows.parameters.idxmin()]
    axes.annotate(
        text, (first.parameters, first.agreement_high), xytext=(0, 5), textcoords="offset points", fontsize=9,
        color=colour, weight="bold",
    )  # fmt: skip


def _beside(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.annotate(text, (x, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8, color=colour)


def voters_confusion(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """What one person and the best networks answer where five people see a class; None without votes."""
    strings, said = labels(language), people.answers_of(table)
    if not said:
        return None
    shares = people.confusions({network: said[network] for network in people.best_networks(table, said)})
    rows, columns = [strings[each] for each in VOTE_CLASSES], len(VOTE_CLASSES)
    frames = []
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.7), layout="constrained")
        for axes, (who, share) in zip(
            drawing.subplots(1, len(shares), sharey=True, squeeze=False)[0], shares.items(), strict=True
        ):
            percent = 100 * np.column_stack([share[:, :columns], share[:, columns:].sum(1)])
            names = [*rows, strings["no_class"]]
            sns.heatmap(
                percent, ax=axes, annot=True, fmt=".0f", cmap="Blues", vmin=0, vmax=100, cbar=False,
                annot_kws={"fontsize": 6}, xticklabels=names, yticklabels=rows,
            )  # fmt: skip
            axes.set_title(strings("person", number=1) if who == "1" else who)
            axes.tick_params(labelsize=7)
            axes.set_xticklabels(names, rotation=60, ha="right", rotation_mode="anchor")
            axes.tick_params(axis="y", labelrotation=0)
            frames.append(pd.DataFrame(percent, columns=[*VOTE_CLASSES, "none"]).assign(who=who, seen=VOTE_CLASSES))
    text = strings("voters_confusion_caption", measure=final_measure(table))
    return Figure(name, text, drawing, pd.concat(frames), note(table, language))


def doubt(table: pd.DataFrame, name: str, language: str) -> Figure | None:
    """The entropy of networks against that of the votes; None if the faces have no votes."""
    strings, said = labels(language), people.answers_of(table)
    if not said:
        return None
    data = people.doubts({network: said[network] for network in people.best_networks(table, said)})
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.2), layout="constrained")
        axes = drawing.subplots()
        end = data.voters.max()
        axes.plot([0, end], [0, end], "--", color=DARK, linewidth=0.9)
        axes.annotate(strings["as_uncertain"], (end, end), xytext=(4, 0), textcoords="offset points", fontsize=8)
        for network, rows in data.groupby("network", sort=False):
            colour = COLOURS["votes" if str(network).endswith("ferplus") else "labels"]
            axes.plot(rows.voters, rows.entropy, "o-", color=colour, markersize=4)
            last = rows.iloc[-1]
            axes.annotate(
                str(network), (last.voters, last.entropy), xytext=(6, 0), textcoords="offset points", fontsize=8,
                color=colour, va="center",
            )  # fmt: skip
        axes.set_xlim(0, 1.3 * end)  # with room for the names
        axes.set_xlabel(strings["voters_entropy"])
        axes.set_ylabel(strings["network_entropy"])
    text = strings("doubt_caption", measure=final_measure(table), groups=data.voters.nunique())
    return Figure(name, text, drawing, data, note(table, language))
