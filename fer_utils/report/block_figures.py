"""A drawing of the depthwise separable convolution beside a plain one."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import FancyArrowPatch, Rectangle

from fer_utils.report.language import Labels, labels
from fer_utils.report.outputs import Figure
from fer_utils.report.style import COLOURS, DARK, style

DRAWN_CHANNELS = 4
SIDE, OFFSET = 1.0, 0.16  # of a channel, and from one to the next
STEP = 4.2  # from one stack of channels to the next


def separable_block(channels: int, name: str, language: str) -> Figure:
    """A plain convolution and a depthwise separable one, with the weights of their filters."""
    strings = labels(language)
    plain, depthwise, pointwise = 9 * channels**2, 9 * channels, channels**2
    rows = [
        ("cnn", [("plain_convolution", plain, "all")]),
        ("mobilenet", [("depthwise", depthwise, "own"), ("pointwise", pointwise, "all")]),
    ]
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.6), layout="constrained")
        for axes, (family, steps) in zip(drawing.subplots(2, 1), rows, strict=True):
            _stack(axes, 0.0, COLOURS[family])
            for place, (key, weights, reach) in enumerate(steps):
                _stack(axes, (place + 1) * STEP, COLOURS[family])
                _connect(axes, place * STEP, (place + 1) * STEP, each_to_all=reach == "all")
                text = strings("step_weights", step=strings[key], weights=weights)
                axes.annotate(text, ((place + 0.62) * STEP, 2.1), ha="center", fontsize=8)
            _frame(axes, strings, steps=len(steps))
    data = pd.DataFrame([(key, weights) for _, steps in rows for key, weights, _ in steps], columns=["step", "weights"])
    return Figure(name, strings("block_caption", channels=channels), drawing, data)


def _stack(axes: Axes, x: float, colour: object) -> None:
    """The channels of a feature map, one behind the other."""
    for channel in reversed(range(DRAWN_CHANNELS)):
        corner = (x + channel * OFFSET, channel * OFFSET)
        axes.add_patch(Rectangle(corner, SIDE, SIDE, facecolor=colour, edgecolor="white", alpha=0.85))


def _connect(axes: Axes, start: float, end: float, *, each_to_all: bool) -> None:
    """Arrows from every channel to all channels, or to its own."""
    for one in range(DRAWN_CHANNELS):
        for other in range(DRAWN_CHANNELS) if each_to_all else [one]:
            ends = [(start + SIDE + one * OFFSET, 0.2 + one * 0.3), (end + other * OFFSET, 0.2 + other * 0.3)]
            axes.add_patch(
                FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=6, linewidth=0.5, color=DARK, zorder=3)
            )


def _frame(axes: Axes, strings: Labels, *, steps: int) -> None:
    axes.annotate(strings["channels_in"], (0.7, -0.55), ha="center", fontsize=8)
    axes.annotate(strings["channels_out"], (steps * STEP + 0.7, -0.55), ha="center", fontsize=8)
    axes.set_xlim(-0.3, 2 * STEP + SIDE + DRAWN_CHANNELS * OFFSET)
    axes.set_ylim(-0.8, 2.6)
    axes.axis("off")
