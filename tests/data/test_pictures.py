from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_utils.data.faces import FaceSet
from fer_utils.data.pictures import find_pictures, read_pictures
from fer_utils.errors import InputError


def test_pictures_of_any_size_become_faces(faces: FaceSet, tmp_path: Path) -> None:
    picture = Image.fromarray(faces.images[0])
    picture.save(tmp_path / "small.png")
    picture.resize((96, 96), Image.Resampling.NEAREST).convert("RGB").save(tmp_path / "large.png")
    small, large = read_pictures([tmp_path / "small.png", tmp_path / "large.png"]).astype(int)
    assert (small == faces.images[0]).all()
    assert np.abs(large - small).mean() < 4
    # The middle square of what a camera held on its side has written.
    wide = Image.fromarray(np.pad(faces.images[0], ((0, 0), (20, 20))))
    exif = Image.Exif()
    exif[274] = 6  # "turn it to the right to see it"
    wide.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert (read_pictures([tmp_path / "turned.png"])[0] == faces.images[0]).all()
    wide.save(tmp_path / "photo.jpg", exif=exif)
    misled = (tmp_path / "photo.jpg").read_bytes().replace(b"MM\x00*", b"XX\x00*")  # its EXIF is no TIFF
    (tmp_path / "photo.jpg").write_bytes(misled)
    assert np.abs(read_pictures([tmp_path / "photo.jpg"])[0].astype(int) - faces.images[0]).mean() < 8
    picture.resize((15, 90)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match=r"thin\.png: 15x90 pixels, expected at least 16"):
        read_pictures([tmp_path / "thin.png"])
    with pytest.raises(InputError, match=r"no file .*nowhere\.png"):
        read_pictures([tmp_path / "nowhere.png"])
    whole = (tmp_path / "small.png").read_bytes()
    data = whole.index(b"IDAT") - 4
    lost = (
        whole[:data] + (100).to_bytes(4, "big") + whole[data + 4 : data + 112] + bytes(40)
    )  # no chunk after the first
    for damaged in (b"hello", whole[: data + 50], lost):
        (tmp_path / "bad.png").write_bytes(damaged)
        with pytest.raises(InputError, match=r"bad\.png: not a readable image"):
            read_pictures([tmp_path / "bad.png"])


def test_pictures_are_found_in_folders_of_any_name(tmp_path: Path, faces: FaceSet) -> None:
    files = [tmp_path / name for name in ("a.png", "inside/b.webp", "inside/deep/c.JPG")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.images[0]).save(file)
    (tmp_path / "notes.txt").write_text("no face")
    assert sorted(find_pictures([tmp_path])) == sorted(files)
    assert find_pictures([files[0], tmp_path / "inside" / "deep"]) == [files[0], files[2]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no images"):
        find_pictures([tmp_path / "empty"])
