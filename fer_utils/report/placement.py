"""Names beside the points of a figure, in place of a legend."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

# Where a name may stand, best first: shift from the point in points, horizontal and vertical alignment.
PLACES = [
    place
    for far in (7, 14, 24, 36, 50)
    for place in (
        (far, 0, "left", "center"),
        (-far, 0, "right", "center"),
        (0, far, "center", "bottom"),
        (0, -far, "center", "top"),
        (far, far, "left", "bottom"),
        (far, -far, "left", "top"),
        (-far, far, "right", "bottom"),
        (-far, -far, "right", "top"),
    )
]
# The side of a text that is nearest to its point, as a share of its width or height.
SIDE = {"left": 0.0, "center": 0.5, "right": 1.0, "bottom": 0.0, "top": 1.0}
OUTSIDE = 10  # how much worse it is to leave the axes than to hide something
PIECES = 20  # of a line, each a small box


class Name(NamedTuple):
    """A text to be placed beside a point, in data coordinates."""

    text: str
    x: float
    y: float
    options: dict[str, Any]  # of `Axes.annotate`


def place_names(axes: Axes, names: Iterable[Name]) -> None:
    """Write every name beside its point, where it hides as little as possible.

    Call it last: limits and layout must be final. The names come in the order of their importance.
    """
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    taken, inside = _drawn(axes), np.array(axes.get_window_extent().extents)
    for name in names:
        boxes = _boxes(axes, name)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        outside = area - _overlaps(boxes, inside[None])
        costs = _overlaps(boxes, taken) + OUTSIDE * outside + _leader_costs(axes, name, boxes, taken)
        best = int(costs.argmin())
        _write(axes, name, *PLACES[best])
        taken = np.vstack([taken, boxes[best]])


def _write(axes: Axes, name: Name, right: int, up: int, horizontal: str, vertical: str) -> Annotation:
    """Write a name; one that is not next to its point gets a line to it."""
    line = {
        "arrowstyle": "-", "color": name.options.get("color", "black"), "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2,
        "relpos": (SIDE[horizontal], SIDE[vertical]),
    }  # fmt: skip
    text = axes.annotate(
        name.text, (name.x, name.y), xytext=(right, up), textcoords="offset points", ha=horizontal, va=vertical,
        annotation_clip=False, arrowprops=line if max(abs(right), abs(up)) > PLACES[0][0] else None,
        **{"fontsize": 8} | name.options,
    )  # fmt: skip
    text.set_in_layout(False)  # what is measured here stays where it is
    return text


def _boxes(axes: Axes, name: Name) -> np.ndarray:
    """The boxes that a name would take at each place, (places, 4): left, bottom, right, top in pixels."""
    text = _write(axes, name, *PLACES[0])
    box = text.get_window_extent()
    text.remove()
    point = axes.transData.transform((name.x, name.y))
    shifts = np.array([(right, up) for right, up, *_ in PLACES]) * axes.figure.dpi / 72
    sides = np.array([(SIDE[horizontal], SIDE[vertical]) for *_, horizontal, vertical in PLACES])
    corners = point + shifts - sides * (box.width, box.height)
    return np.hstack([corners, corners + np.array([box.width, box.height])])


def _leader_costs(axes: Axes, name: Name, boxes: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """What the lines from a name's places to its point hide, and a little for their lengths."""
    point = axes.transData.transform((name.x, name.y))
    costs = []
    for box, (right, up, horizontal, vertical) in zip(boxes, PLACES, strict=True):
        end = box[:2] + np.array([SIDE[horizontal], SIDE[vertical]]) * (box[2:] - box[:2])
        far = max(abs(right), abs(up))
        pieces = np.array(_pieces(np.array([point, end])))[PIECES // 4 :] if far > PLACES[0][0] else np.empty((0, 4))
        costs.append(far + _overlaps(pieces, taken).sum())
    return np.array(costs)


def _drawn(axes: Axes) -> np.ndarray:
    """The boxes of what is drawn, as in `_boxes`: texts, markers, and pieces of lines and bars."""
    boxes = [np.array(Text.get_window_extent(text).extents) for text in axes.texts]
    for line in axes.lines:
        corners = line.get_transform().transform(line.get_xydata())
        half = line.get_markersize() / 2 * axes.figure.dpi / 72
        boxes += [np.hstack([corner - half, corner + half]) for corner in corners]
        if line.get_linestyle() != "None":
            boxes += _pieces(corners)
    for bars in axes.collections:
        for path in bars.get_paths():
            boxes += _pieces(bars.get_transform().transform(path.vertices))
    found = np.array(boxes).reshape(-1, 4)
    return found[np.isfinite(found).all(1)]


def _pieces(corners: np.ndarray) -> list[np.ndarray]:
    """Small boxes along a line through corners."""
    pieces = []
    for start, end in pairwise(corners):
        ends = np.linspace(start, end, PIECES + 1)
        low, high = np.minimum(ends[:-1], ends[1:]) - 1, np.maximum(ends[:-1], ends[1:]) + 1
        pieces += list(np.hstack([low, high]))
    return pieces


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The area that each box shares with all others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (high - low).clip(min=0).prod(2).sum(1)
