"""An explorer of errors for notebooks: pick a network and a cell of its confusion matrix."""

from typing import Any

import ipywidgets as widgets
import pandas as pd

from fer_utils.analysis import confusion
from fer_utils.data.faces import CLASSES, FaceSet
from fer_utils.report.face_figures import confused
from fer_utils.report.language import labels
from fer_utils.report.outputs import Figure, is_interactive, png


def explore_errors(table: pd.DataFrame, name: str, language: str, faces: FaceSet | None) -> "Figure | Explorer":
    """An explorer of the errors of a table's networks; in a batch run, a picture of the most frequent error.

    `faces` is the data set whose faces are shown, if there is one.
    """
    explorer = Explorer(table, name, language, faces)
    return explorer if is_interactive() else explorer.figure()


class Explorer:
    """Three menus, the figure of what they choose, and a line for errors."""

    def __init__(self, table: pd.DataFrame, name: str, language: str, faces: FaceSet | None):
        strings, models = labels(language), list(table.sort_values("parameters").model.unique())
        self.table, self.name, self.language = table, name, language
        self.faces = faces
        label, predicted = _most_frequent_error(confusion.predictions_of(table, models[0]))
        names = [(strings[each], number) for number, each in enumerate(CLASSES)]
        self.model = widgets.Dropdown(options=models, value=models[0], description=strings["model"])
        self.label = widgets.Dropdown(options=names, value=label, description=strings["label_menu"])
        self.predicted = widgets.Dropdown(options=names, value=predicted, description=strings["predicted_menu"])
        self.picture, self.text = widgets.Image(format="png"), widgets.HTML()
        self.hint = "" if self.faces else strings["faces_hint"]
        for menu in (self.model, self.label, self.predicted):
            menu.observe(self.show, "value")
        self.show()

    def figure(self) -> Figure:
        """The figure of the chosen cell."""
        said = confusion.predictions_of(self.table, self.model.value)
        return confused(said, self.label.value, self.predicted.value, self.name, self.language, self.faces)

    def show(self, _: Any = None) -> None:
        """Draw the chosen cell; an error is shown in its place, since widgets swallow exceptions."""
        try:
            figure = self.figure()
            self.picture.value = png(figure.drawing)
            self.text.value = f"<p>{figure.caption} {self.hint}</p>"
        except Exception as error:
            self.picture.value = b""
            self.text.value = f"<p><b>{type(error).__name__}:</b> {error}</p>"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        menus = widgets.HBox([self.model, self.label, self.predicted])
        display(widgets.VBox([menus, self.picture, self.text]))


def _most_frequent_error(said: pd.DataFrame) -> tuple[int, int]:
    """The label and the class of the cell with most faces off the diagonal."""
    wrong = said[said.label != said.predicted]
    counts = wrong.groupby(["label", "predicted"]).size()
    return tuple(map(int, counts.idxmax())) if len(counts) else (0, 0)  # type: ignore[return-value]
