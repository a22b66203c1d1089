from pathlib import Path

import pytest

from fer_utils.data.faces import FaceSet
from fer_utils.report import live
from fer_utils.training.plan import plan
from fer_utils.training.study import single_stage


def test_progress_is_a_table_and_curves_and_is_cleared_at_the_end(
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(single_stage(["cnn-48k", "mobilenet-46k"], [0], "quick", 3), faces, tmp_path)
    shown: list[str] = []
    monkeypatch.setattr(live, "is_interactive", lambda: True)
    monkeypatch.setattr(live, "display", lambda what: shown.append(type(what).__name__))
    monkeypatch.setattr(live, "clear_output", lambda wait=False: shown.append(f"clear {wait}"))
    with live.live_progress("en") as watch:
        watch(planned)
        watch(planned)  # too early to draw again
        assert shown == ["clear True", "HTML"]
        folder = planned[0].run.folder
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text("epoch,validation_accuracy,seconds\n1,0.5,3600\n")
        monkeypatch.setattr(live, "PAUSE_SECONDS", 0)
    assert shown.pop() == "clear False"
    with live.live_progress("en") as watch:
        watch(planned)
    assert shown == ["clear True", "HTML", "clear True", "HTML", "Image", "clear False"]


def test_outside_a_notebook_nothing_is_shown(capsys: pytest.CaptureFixture) -> None:
    with live.live_progress("en") as watch:
        watch([])
    assert not capsys.readouterr().out
