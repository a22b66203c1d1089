import os
from pathlib import Path

import numpy as np
import pytest
import torch

from fer_utils.data.demo import draw
from fer_utils.data.faces import CLASSES, FaceSet

ROOT = Path(__file__).parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
LONGEST = {"test_build.py", "test_study.py", "test_onnx.py", "test_cli.py", "test_parameters.py", "test_runs.py"}

# Tests run side by side, and so one thread each is fastest; notebooks and runs are processes, which read this too.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: begun last, one would keep a single process busy at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["FER_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def faces_of(n: int, seed: int = 0) -> FaceSet:
    """n drawn faces of every class in turn, three quarters of them Training."""
    labels = np.arange(n) % len(CLASSES)
    usage = np.where(np.arange(n) % 4 == 3, "PublicTest", "Training")
    order = np.argsort(usage == "PublicTest", kind="stable")
    return FaceSet(draw(labels[order], np.random.default_rng(seed)), labels[order], usage[order], "drawn")


@pytest.fixture(scope="session")
def faces() -> FaceSet:
    return faces_of(168)


def pixels(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel()))


def write_csv(path: Path, faces: FaceSet) -> Path:
    """The layout of fer2013.csv."""
    rows = zip(faces.labels, faces.images, faces.usage, strict=True)
    lines = [f"{label},{pixels(image)},{usage}" for label, image, usage in rows]
    path.write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    return path


@pytest.fixture(scope="session")
def csv_file(faces: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", faces)
