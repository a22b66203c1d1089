import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_utils.data.demo import draw
from fer_utils.data.targets import TARGETS
from fer_utils.inference.recognizer import open_recognizer, predict
from fer_utils.models.bundled import bundled_names, bundled_onnx
from tests.conftest import ROOT

FACES = draw(np.arange(14) % 7, np.random.default_rng(0))
# What `pip install fer_utils` leaves out.
WITHOUT = ("torch", "pyarrow", "scipy", "joblib", "safetensors", "onnx", "filelock", "platformdirs", "matplotlib")
ALONE = f"import sys; sys.modules.update(dict.fromkeys({WITHOUT})); from fer_utils.cli import main; main()"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(FACES[3]).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def alone(*arguments: str) -> subprocess.CompletedProcess:
    """What `fer` answers where only numpy, pandas, pillow, onnxruntime, typer and rich are installed."""
    return subprocess.run([sys.executable, "-c", ALONE, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_pictures_are_classified_without_pytorch(picture: Path) -> None:
    (found,) = json.loads(alone("predict", "compact-46k", str(picture), "--json").stdout)
    expected = predict(open_recognizer("compact-46k"), [picture]).iloc[0]
    assert (found["file"], found["label"]) == (expected.file, expected.label)
    assert found["happy"] == pytest.approx(expected.happy, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "vgg-1.9m", "face.png"], "vgg-1.9m needs PyTorch"),
        (["predict", "compact-46k", "test.csv"], "test.csv: tables need"),
        (["train", "cnn-48k"], "fer_utils[report]"),
        (["report"], "fer_utils[report]"),
    ],
)
def test_what_is_not_installed_is_named(arguments: list[str], told: str) -> None:
    found = alone(*arguments)
    assert found.returncode == 1
    assert told in found.stderr
    assert "pip install 'fer_utils[" in found.stderr
    assert found.stderr.count("\n") == 1


def test_onnx_and_pytorch_recognize_the_same() -> None:
    names = [name for name in bundled_names() if bundled_onnx(name)]
    assert {f"compact-{size}.fer2013" for size in ("46k", "58k", "103k", "158k")} < set(names)
    for name in names:
        onnx, torch = open_recognizer(name), open_recognizer(name, "cpu")
        assert onnx.classes == torch.classes == TARGETS["votes" if name.endswith("ferplus") else "labels"]
        np.testing.assert_allclose(onnx(FACES), torch(FACES), atol=2e-3)
    assert bundled_onnx("compact-46k") == bundled_onnx("compact-46k.fer2013")
    assert bundled_onnx("vgg-1.9m") is None
