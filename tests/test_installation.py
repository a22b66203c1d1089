"""The package as it is installed elsewhere, from a wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from fer_utils.models.bundled import bundled_names
from tests.conftest import ROOT

PARTS = ("pyproject.toml", "README.md", "LICENSE", "fer_utils", "notebooks")
LOOK = """
from fer_utils.document.execute import sources
from fer_utils.report.fonts import FOLDER
from fer_utils.report.language import LANGUAGES, labels
from fer_utils.analysis.published import PEERS
print(len(sources()), LANGUAGES, len(list(FOLDER.glob("*.otf"))), labels("zh-TW")["model"], len(PEERS) > 5)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, in a folder outside the clone."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in PARTS:  # pip leaves files in the folder that it builds from
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", ".", *options], cwd=source, check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


def python(installed: Path, *arguments: str) -> str:
    """What Python prints where only the wheel's content is on its path."""
    env = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=installed, env=env, capture_output=True, text=True, check=True
    ).stdout


def test_a_wheel_has_notebooks_templates_fonts_and_tables(installed: Path) -> None:
    assert python(installed, "-c", LOOK).split() == ["5", "('en',", "'zh-TW')", "2", "模型", "True"]


def test_a_wheel_classifies_a_face(installed: Path, tmp_path: Path) -> None:
    Image.new("L", (48, 48)).save(tmp_path / "face.png")
    assert "face.png" in python(installed, "-m", "fer_utils", "predict", "compact-46k", str(tmp_path / "face.png"))
    assert str(len(bundled_names())) in python(
        installed, "-c", "from fer_utils.models.bundled import *; print(len(bundled_names()))"
    )
