from pathlib import Path

import pytest
import safetensors.torch
import torch

from fer_utils.data.faces import CLASSES
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import FerError, InputError
from fer_utils.models import bundled, weights
from fer_utils.models.zoo import build


def test_weights_come_back_to_half_precision(tmp_path: Path) -> None:
    model = build("mobilenet-46k", 1).eval()
    weights.save(model, "mobilenet-46k", tmp_path / "w.safetensors")
    loaded = weights.open_model(str(tmp_path / "w.safetensors"))
    inputs = torch.randn(3, 1, 48, 48)
    assert (loaded.model, loaded.classes) == ("mobilenet-46k", CLASSES)
    torch.testing.assert_close(loaded.net(inputs), model(inputs), atol=1e-2, rtol=1e-2)
    assert (tmp_path / "w.safetensors").stat().st_size == weights.file_bytes(model, "mobilenet-46k")


def test_weights_carry_the_names_of_their_classes(tmp_path: Path) -> None:
    weights.save(build("cnn-48k", classes=8), "cnn-48k", tmp_path / "w.safetensors", VOTE_CLASSES)
    loaded = weights.open_model(str(tmp_path / "w.safetensors"))
    assert loaded.classes == VOTE_CLASSES
    assert loaded.net(torch.zeros(2, 1, 48, 48)).shape == (2, 8)
    contents = set()
    for _ in range(8):  # equal weights are equal files
        weights.save(build("cnn-48k", classes=8), "cnn-48k", tmp_path / "w.safetensors", VOTE_CLASSES)
        contents.add((tmp_path / "w.safetensors").read_bytes())
    assert len(contents) == 1


def test_weights_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    model = build("cnn-48k")
    with torch.no_grad():
        next(model.parameters()).fill_(1e6)
    with pytest.raises(FerError, match="do not fit float16"):
        weights.save(model, "cnn-48k", tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_text("hello")
    with pytest.raises(InputError, match="not a safetensors file"):
        weights.load_weights(path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="does not say which model"):
        weights.load_weights(path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, {"model": "cnn-48k"})
    with pytest.raises(InputError, match="not those of cnn-48k"):
        weights.load_weights(path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, {"model": "compact-7k"})
    with pytest.raises(InputError, match=r"w\.safetensors: holds a compact-7k, which this version does not know"):
        weights.load_weights(path)


def test_a_name_alone_is_a_model_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn-48k").mkdir()  # such as `fer train cnn-48k --runs cnn-48k` leaves
    file = bundled.BUNDLED / "cnn-48k.fer2013.safetensors"
    assert bundled.locate("cnn-48k") == bundled.locate("cnn-48k.fer2013") == file
    with pytest.raises(InputError, match="not the folder of a finished run"):
        bundled.locate("./cnn-48k")


def test_a_net_is_a_run_a_file_or_a_model_that_ships(tmp_path: Path) -> None:
    weights.save(build("cnn-48k"), "cnn-48k", tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="not the folder of a finished run"):
        bundled.locate(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert bundled.locate(str(tmp_path)) == bundled.locate(str(tmp_path / "weights.safetensors"))
    for name in bundled.bundled_names():  # also those with a point in the model's name, such as teacher-1.4m
        assert weights.open_model(name).model == name.rpartition(".")[0]
    (tmp_path / "weights.safetensors").unlink()
    with pytest.raises(InputError, match="a run record without weights"):
        bundled.locate(str(tmp_path))
    with pytest.raises(InputError, match=r"no file or folder w\.safetensors: give a weights file"):
        bundled.locate("w.safetensors")
    with pytest.raises(InputError, match="no weights of cnn8-46k are bundled"):
        bundled.locate("cnn8-46k")
    with pytest.raises(
        InputError, match=r"unknown weights 'vgg-1\.9'\. Did you mean 'vgg-1\.9m\.fer2013'\? Known: "
    ) as caught:
        bundled.locate("vgg-1.9")
    assert "cnn8-46k" not in str(caught.value)  # no weights of it are bundled
    with pytest.raises(
        InputError, match=r"unknown weights 'compact-46k\.fer2014'|no file or folder compact-46k\.fer2014"
    ):
        bundled.locate("compact-46k.fer2014")
