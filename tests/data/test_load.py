import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_utils.data import load as module
from fer_utils.data.faces import FaceSet
from fer_utils.data.load import load
from fer_utils.errors import InputError
from tests.conftest import write_csv


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every path that was read and not taken from the cache."""
    paths: list[Path] = []

    def read(path: Path, order: tuple[str, ...]) -> FaceSet:
        paths.append(path)
        return original(path, order)

    original = module.read
    monkeypatch.setattr(module, "read", read)
    return paths


def test_the_second_time_comes_from_the_cache(faces: FaceSet, tmp_path: Path, reads: list[Path]) -> None:
    path = write_csv(tmp_path / "faces.csv", faces)
    first, second = load(path), load(path)
    assert len(reads) == 1
    np.testing.assert_array_equal(first.images, second.images)
    assert first.fingerprint == second.fingerprint == faces.fingerprint


def test_a_changed_file_is_read_again_even_with_its_old_size_and_time(
    faces: FaceSet, tmp_path: Path, reads: list[Path]
) -> None:
    path = write_csv(tmp_path / "faces.csv", faces)
    before = path.stat()
    old = load(path)
    path.write_text(path.read_text().replace("\n0,", "\n6,", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    new = load(path)
    assert len(reads) == 2
    assert (old.labels != new.labels).sum() == 1


def test_a_damaged_cache_is_made_anew(faces: FaceSet, tmp_path: Path, reads: list[Path]) -> None:
    path = write_csv(tmp_path / "faces.csv", faces)
    load(path)
    cache = module._cache_file(path)
    whole = cache.read_bytes()
    # One bit of one pixel; and of the first array's method of compression, which is then an unknown one.
    for tries, (byte, bit) in enumerate([(len(whole) // 2, 1), (whole.index(b"PK\x01\x02") + 10, 0x40)], 2):
        damaged = bytearray(whole)
        damaged[byte] ^= bit
        cache.write_bytes(damaged)
        assert load(path).fingerprint == faces.fingerprint
        assert len(reads) == tries


def test_a_new_image_in_a_folder_is_seen(tmp_path: Path, faces: FaceSet) -> None:
    from tests.data.test_read import folders, png

    path = folders(tmp_path, faces)
    assert len(load(path)) == len(faces)
    (path / "train" / "happy" / "Training_999.png").write_bytes(png(faces.images[0]))
    assert len(load(path)) == len(faces) + 1


def test_the_folder_one_is_in_has_its_name(tmp_path: Path, faces: FaceSet, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    Image.fromarray(faces.images[0]).save(tmp_path / "faces" / "happy" / "a.png")
    monkeypatch.chdir(tmp_path / "faces" / "happy")
    assert load("..").name == "faces"
    monkeypatch.chdir(tmp_path / "faces")
    assert load(".").name == "faces"


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"no file or folder nowhere\.csv: give a CSV"):
        load("nowhere.csv")


def test_a_file_that_was_cut_off_is_refused_and_not_cached(csv_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "faces.gz"
    path.write_bytes(gzip.compress(csv_file.read_bytes())[:-5000])
    for _ in range(2):
        with pytest.raises(InputError, match=r"faces\.gz: cannot be read .*Check that it is complete"):
            load(path)
