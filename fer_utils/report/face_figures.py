"""Figures with faces: a sheet of samples, and the faces that a network confuses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fer_utils.data import demo
from fer_utils.data.faces import CLASSES, FaceSet
from fer_utils.report.language import Labels, labels
from fer_utils.report.outputs import Figure
from fer_utils.report.style import DARK, GRAY, style

SAMPLES = 8  # faces of each class
SHOWN = 10  # faces of one cell of a confusion matrix
LARGEST = 2  # probabilities named beside a face


def samples(data: FaceSet | None, name: str, language: str) -> Figure:
    """Faces of each expression from Training; drawn ones without a data set."""
    strings, faces = labels(language), (data or demo.demo_samples(SAMPLES)).part("Training")
    shown = {
        label: rows[np.linspace(0, len(rows) - 1, SAMPLES).astype(int)]
        for label in range(len(CLASSES))
        if len(rows := np.flatnonzero(faces.labels == label))
    }
    with style(language):
        drawing = Drawing(figsize=(6.3, 0.66 * len(shown)), layout="constrained")
        grid = drawing.subplots(len(shown), SAMPLES, squeeze=False)
        for line, (label, rows) in zip(grid, shown.items(), strict=True):
            for axes, row in zip(line, rows, strict=True):
                _face(axes, faces.images[row])
            line[0].set_ylabel(strings[CLASSES[label]], rotation=0, ha="right", va="center")
    counts = np.bincount(faces.labels, minlength=len(CLASSES))
    sheet = pd.DataFrame([(CLASSES[label], counts[label]) for label in shown], columns=["expression", "faces"])
    text = strings("samples_caption", drawn=faces.name == demo.NAME, faces=len(faces), published=data is None)
    return Figure(name, text, drawing, sheet)


def confused(
    said: pd.DataFrame, label: int, predicted: int, name: str, language: str, faces: FaceSet | None = None
) -> Figure:
    """The faces with one label that a network gives one class: its mean probabilities, and the faces if given.

    `said` has the network's predictions (`metrics.prediction_table`).
    """
    strings = labels(language)
    cell = said[(said.label == label) & (said.predicted == predicted)].sort_values(
        f"p_{CLASSES[predicted]}", ascending=False
    )
    probabilities = [f"p_{each}" for each in CLASSES]
    mean = cell[probabilities].mean() if len(cell) else pd.Series(0.0, probabilities)
    pictures = _pictures(cell, faces)
    with style(language):
        drawing = Drawing(figsize=(6.3, 1.5 + (1.1 if pictures else 0)), layout="constrained")
        rows = drawing.subfigures(1 + bool(pictures), 1, squeeze=False)[:, 0]
        axes = rows[0].subplots()
        colours = [DARK if each in (label, predicted) else GRAY for each in range(len(CLASSES))]
        axes.bar([strings[each] for each in CLASSES], mean, color=colours)
        axes.set_ylabel(strings["mean_probability"])
        axes.set_ylim(0, 1)
        if pictures:
            for axes, (place, image) in zip(rows[1].subplots(1, SHOWN, squeeze=False)[0], pictures, strict=False):
                _face(axes, image)
                axes.set_xlabel(_largest(cell[probabilities].iloc[place].astype(float), strings), fontsize=6)
            for axes in rows[1].axes[len(pictures) :]:
                axes.axis("off")
    text = strings(
        "confused_caption", seen=CLASSES[label], predicted=CLASSES[predicted], count=len(cell),
        faces=int((said.label == label).sum()), shown=len(pictures),
    )  # fmt: skip
    return Figure(name, text, drawing, cell.reset_index(drop=True))


def _pictures(cell: pd.DataFrame, faces: FaceSet | None) -> list[tuple[int, np.ndarray]]:
    """The rows of a cell whose images are in the data set, with these; none without a data set."""
    if faces is None:
        return []
    images = dict(zip((f"{digest:016x}" for digest in faces.digests), faces.images, strict=True))
    return [(place, images[face]) for place, face in enumerate(cell.face) if face in images][:SHOWN]


def _face(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def _largest(probabilities: pd.Series, strings: Labels) -> str:
    """The largest probabilities, one a line."""
    top = probabilities.nlargest(LARGEST)
    return "\n".join(f"{strings[name.removeprefix('p_')]} {value:.2f}" for name, value in top.items())
