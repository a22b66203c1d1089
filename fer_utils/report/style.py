"""The style of figures: colours, markers, fonts, and the axis of sizes."""

from typing import Any

import matplotlib
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

from fer_utils.report.fonts import families
from fer_utils.report.language import Labels

FAMILIES = ("mobilenet", "cnn", "vgg", "compact", "teacher")
COLOURS = dict(zip(FAMILIES, sns.color_palette("colorblind"), strict=False))
MARKERS = dict(zip(FAMILIES, "osD^P", strict=True))
# The ablation's models look like the family that they resemble.
ALIKE = {"separable8": "mobilenet", "narrow8": "mobilenet", "cnn8": "cnn", "cnn8fc": "vgg", "cnn4fc": "vgg"}
COLOURS |= {family: COLOURS[other] for family, other in ALIKE.items()}
MARKERS |= dict(zip(ALIKE, "p*Xdv", strict=True))
# Published networks of others that can be trained here.
COLOURS |= {"minixception": (0.35, 0.35, 0.35), "mobilenetv2": (0.55, 0.55, 0.55)}
MARKERS |= {"minixception": "<", "mobilenetv2": ">"}
GRAY, DARK = "0.45", "0.25"  # results of others, and lines of reference
STYLE: dict[Any, Any] = {
    **sns.axes_style("whitegrid"),
    "font.size": 9,
    "axes.titlesize": 9,
}


def style(language: str) -> Any:
    """A context with the style of figures."""
    return matplotlib.rc_context(STYLE | {"font.family": families(language)})


def size_axis(axes: Axes, parameters: pd.Series, strings: Labels) -> None:
    """Make the horizontal axis a logarithmic axis of parameters."""
    axes.set_xscale("log")
    axes.set_xlim(parameters.min() / 1.45, parameters.max() * 1.45)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.set_xlabel(strings["trainable_parameters"])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.margins(y=0.15)
