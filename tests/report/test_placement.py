import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Drawing

from fer_utils.models import zoo
from fer_utils.report.language import labels
from fer_utils.report.placement import Name, place_names
from fer_utils.report.size_figures import draw_histories
from fer_utils.report.style import COLOURS, MARKERS


def test_names_of_points_in_a_crowd_do_not_hide_each_other() -> None:
    axes = Drawing(figsize=(6, 3), layout="constrained").subplots()
    x, y = np.linspace(0, 1, 8), np.full(8, 0.5)
    axes.plot(x, y, "o")
    axes.plot([0.5], [np.nan], "o")  # a point without a value changes nothing
    place_names(axes, [Name("a long name", a, b, {}) for a, b in zip(x, y, strict=True)])
    boxes = []
    for text in axes.texts:
        text.get_window_extent()  # moves it to its place
        boxes.append(super(type(text), text).get_window_extent())
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_many_learning_curves_are_drawn_while_training_goes_on() -> None:
    epochs = np.arange(1, 46)
    history = pd.concat(
        [
            pd.DataFrame({"model": model, "seed": seed, "epoch": epochs, "validation_accuracy": epochs / (50 + seed)})
            for model in list(zoo.MODELS)[:8]
            for seed in range(3)
        ]
    )
    begin = time.monotonic()
    draw_histories(Drawing(figsize=(6.3, 2.3), layout="constrained").subplots(), history, labels("en"))
    assert time.monotonic() - begin < 10  # of a busy machine


@pytest.mark.parametrize("model", zoo.MODELS)
def test_every_family_has_a_colour_and_a_marker(model: str) -> None:
    assert zoo.family(model) in COLOURS
    assert zoo.family(model) in MARKERS
