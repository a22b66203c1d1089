from pathlib import Path

import pytest

from fer_utils.analysis import confusion
from fer_utils.analysis.published import published_runs, trained_alike
from fer_utils.data.load import load
from fer_utils.report import explorer, face_figures
from fer_utils.report.explorer import Explorer, explore_errors
from fer_utils.report.outputs import Figure

TABLE = trained_alike(published_runs(), ["mobilenet-46k", "cnn-48k"])


def test_the_explorer_shows_the_cell_that_is_picked() -> None:
    shown = Explorer(TABLE, "explorer", "en", None)
    said = confusion.predictions_of(TABLE, "mobilenet-46k")
    assert shown.model.value == "mobilenet-46k"
    assert shown.label.value != shown.predicted.value  # the most frequent error
    assert "to see these faces" in shown.text.value
    before = shown.picture.value
    shown.label.value, shown.predicted.value = 3, 6
    assert shown.picture.value != before
    assert bytes(shown.picture.value).startswith(b"\x89PNG")
    count = ((said.label == 3) & (said.predicted == 6)).sum()
    assert f"the network calls {count} neutral" in shown.text.value
    shown.model.value = "cnn-48k"
    assert f"the network calls {count} neutral" not in shown.text.value


def test_an_error_in_the_explorer_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Explorer(TABLE, "explorer", "en", None)

    def fail(*_: object) -> Figure:
        raise ValueError("no such cell")

    monkeypatch.setattr(explorer, "confused", fail)
    shown.label.value = 0
    assert "<b>ValueError:</b> no such cell" in shown.text.value


def test_a_batch_run_has_a_picture_without_widgets() -> None:
    figure = explore_errors(TABLE, "explorer", "en", None)
    assert isinstance(figure, Figure)
    assert not any("widget" in kind for kind in figure._repr_mimebundle_()[0])


def test_faces_of_a_cell_are_found_by_their_pixels(csv_file: Path) -> None:
    faces = load(csv_file)
    said = confusion.predictions_of(TABLE, "mobilenet-46k").head(20).assign(label=0, predicted=1)
    said["face"] = [f"{digest:016x}" for digest in faces.digests[:20]]
    figure = face_figures.confused(said, 0, 1, "cell", "en", faces)
    assert len(figure.drawing.axes) == 1 + face_figures.SHOWN
    assert "Below: those with the highest probability of disgust" in figure.caption
    assert len(face_figures.confused(said, 0, 1, "cell", "en").drawing.axes) == 1
    assert "calls 0 angry" in face_figures.confused(said, 0, 0, "cell", "en", faces).caption


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_sheet_of_samples_says_whose_faces_it_shows(language: str, csv_file: Path) -> None:
    own = face_figures.samples(load(csv_file), "samples", language)
    drawn = face_figures.samples(None, "samples", language)
    assert len(own.drawing.axes) == 7 * face_figures.SAMPLES
    assert {"en": "Drawn faces", "zh-TW": "示範臉孔"}[language] in drawn.caption
    assert {"en": "Drawn faces", "zh-TW": "示範臉孔"}[language] not in own.caption
    assert "FER2013" in drawn.caption
