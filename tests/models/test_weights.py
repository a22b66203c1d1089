from pathlib import Path

import pytest
import safetensors.torch
import torch

from fer_utils.errors import FerError, InputError
from fer_utils.models import weights
from fer_utils.models.zoo import build


def test_weights_come_back_to_half_precision(tmp_path: Path) -> None:
    model = build("mobilenet-46k", 1).eval()
    weights.save(model, "mobilenet-46k", tmp_path / "w.safetensors")
    name, loaded = weights.open_model(str(tmp_path / "w.safetensors"))
    inputs = torch.randn(3, 1, 48, 48)
    assert name == "mobilenet-46k"
    torch.testing.assert_close(loaded(inputs), model(inputs), atol=1e-2, rtol=1e-2)
    assert (tmp_path / "w.safetensors").stat().st_size == weights.file_bytes(model, name)


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
    assert weights.locate("cnn-48k") == weights.SHIPPED / "cnn-48k.safetensors"
    with pytest.raises(InputError, match="not the folder of a finished run"):
        weights.locate("./cnn-48k")


def test_a_net_is_a_run_a_file_or_a_model_that_ships(tmp_path: Path) -> None:
    weights.save(build("cnn-48k"), "cnn-48k", tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="not the folder of a finished run"):
        weights.locate(str(tmp_path))
    (tmp_path / "run.json").write_text("{}")
    assert weights.locate(str(tmp_path)) == weights.locate(str(tmp_path / "weights.safetensors"))
    for file in weights.SHIPPED.glob("*.safetensors"):  # also those whose names have a point, such as teacher-1.4m
        assert weights.locate(file.name.removesuffix(".safetensors")) == file
    with pytest.raises(InputError, match=r"no file or folder w\.safetensors: give a file"):
        weights.locate("w.safetensors")
    with pytest.raises(InputError, match="no trained cnn8-46k ships"):
        weights.locate("cnn8-46k")
    for name in ("nothing", "vgg-1.9"):
        with pytest.raises(
            InputError, match=rf"unknown trained net '{name}': known are cnn-103k, .*vgg-1.9m"
        ) as caught:
            weights.locate(name)
        assert "cnn8-46k" not in str(caught.value)  # no weights of it ship
