"""Progress of training in a notebook: a table and the learning curves so far."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import pandas as pd
from IPython.display import HTML, Image, clear_output, display
from matplotlib.figure import Figure as Drawing

from fer_utils.report.language import labels
from fer_utils.report.outputs import is_interactive, png
from fer_utils.report.size_figures import draw_histories
from fer_utils.report.style import style
from fer_utils.training.plan import Planned, history_of
from fer_utils.training.progress import progress_table

PAUSE_SECONDS = 5  # between two pictures


@contextmanager
def live_progress(language: str) -> Iterator[Callable[[Sequence[Planned]], None]]:
    """A function that shows the progress of runs in the cell that trains them; what it shows is cleared at the end.

    Unless a person runs a notebook, it does nothing.
    """
    if not is_interactive():
        yield lambda planned: None
        return
    due = [0.0]

    def show(planned: Sequence[Planned]) -> None:
        if time.monotonic() > due[0]:
            clear_output(wait=True)
            with suppress(Exception):  # a drawing must not end the training that it shows
                _show(planned, language)
            due[0] = time.monotonic() + PAUSE_SECONDS

    try:
        yield show
    finally:
        clear_output()


def _show(planned: Sequence[Planned], language: str) -> None:
    strings = labels(language)
    table = progress_table(planned).drop(columns="stage").rename(columns=strings)
    display(HTML(table.to_html(index=False, float_format="{:.1f}".format, na_rep="–")))
    histories = [history_of(one.run.folder).assign(model=one.run.model, seed=one.run.seed) for one in planned]
    history = pd.concat([each for each in histories if len(each)] or histories)
    if history.empty:
        return
    with style(language):
        drawing = Drawing(figsize=(6.3, 2.3), layout="constrained")
        draw_histories(drawing.subplots(), history, strings)
        display(Image(png(drawing)))
