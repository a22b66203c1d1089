import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_utils.data.faces import FaceSet
from fer_utils.data.pictures import find_pictures, is_picture, read_pictures, shown
from fer_utils.errors import InputError


def test_pictures_of_any_size_become_faces(faces: FaceSet, tmp_path: Path) -> None:
    picture = Image.fromarray(faces.images[0])
    picture.save(tmp_path / "small.png")
    picture.resize((96, 96), Image.Resampling.NEAREST).convert("RGB").save(tmp_path / "large.png")
    small, large = read_pictures([tmp_path / "small.png", tmp_path / "large.png"])[0].astype(int)
    assert (small == faces.images[0]).all()
    assert np.abs(large - small).mean() < 4
    # The middle square of what a camera held on its side has written.
    wide = Image.fromarray(np.pad(faces.images[0], ((0, 0), (20, 20))))
    exif = Image.Exif()
    exif[274] = 6  # "turn it to the right to see it"
    wide.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    assert (read_pictures([tmp_path / "turned.png"])[0][0] == faces.images[0]).all()
    wide.save(tmp_path / "photo.jpg", exif=exif)
    misled = (tmp_path / "photo.jpg").read_bytes().replace(b"MM\x00*", b"XX\x00*")  # its EXIF is no TIFF
    (tmp_path / "photo.jpg").write_bytes(misled)
    assert np.abs(read_pictures([tmp_path / "photo.jpg"])[0][0].astype(int) - faces.images[0]).mean() < 8
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


def test_pictures_are_known_by_content_and_read_in_any_format(tmp_path: Path, faces: FaceSet) -> None:
    picture = Image.fromarray(faces.images[0])
    for name in ("a.ppm", "b.avif", "c.jp2", "d.webp"):
        picture.convert("RGB").save(tmp_path / name, lossless=True, quality=100)
    picture.save(tmp_path / "e", format="PNG")
    (tmp_path / "notes").write_text("no face")
    found = find_pictures([tmp_path])
    assert [file.name for file in found] == ["a.ppm", "b.avif", "c.jp2", "d.webp", "e"]
    for image in read_pictures(found)[0]:
        assert np.abs(image.astype(int) - faces.images[0]).mean() < 3
    assert not is_picture(tmp_path / "notes")


def test_sixteen_bits_are_scaled_and_transparent_pixels_are_white(tmp_path: Path, faces: FaceSet) -> None:
    gray = faces.images[0]
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "gray16.png")
    assert (read_pictures([tmp_path / "gray16.png"])[0][0] == gray).all()
    black = np.zeros((48, 48, 4), np.uint8)
    black[..., 3] = 255 - gray  # the face is in the alpha channel
    Image.fromarray(black).save(tmp_path / "alpha.png")
    assert np.abs(read_pictures([tmp_path / "alpha.png"])[0][0].astype(int) - gray).max() <= 1
    for mode, name in (("LAB", "lab.tif"), ("F", "float.tif"), ("I", "integers.tif")):
        Image.new(mode, (48, 48)).save(tmp_path / name)
        with pytest.raises(InputError, match=rf"{name}: {mode} pixels, expected gray or RGB with 8 or 16 bits"):
            read_pictures([tmp_path / name])


def test_pictures_of_a_folder_come_in_natural_order(tmp_path: Path, faces: FaceSet) -> None:
    for number in (10, 9, 1, 2):
        Image.fromarray(faces.images[0]).save(tmp_path / f"face {number}.png")
    assert [file.stem for file in find_pictures([tmp_path])] == ["face 1", "face 2", "face 9", "face 10"]


def test_an_unreadable_picture_is_skipped_only_if_asked(tmp_path: Path, faces: FaceSet) -> None:
    good, bad, iphone = tmp_path / "good.png", tmp_path / "bad.png", tmp_path / "IMG_1.HEIC"
    Image.fromarray(faces.images[0]).save(good)
    bad.write_bytes(good.read_bytes()[:60])
    iphone.write_bytes(b"not known to Pillow")
    assert find_pictures([tmp_path]) == [iphone, bad, good]
    skipped: list[InputError] = []
    images, read = read_pictures([bad, good, iphone], skipped.append)
    assert (len(images), read) == (1, [good])
    assert [str(error).partition(": ")[0] for error in skipped] == [str(bad), str(iphone)]
    with pytest.raises(InputError, match=r"bad\.png: not a readable image"):
        read_pictures([good, bad])
    with pytest.raises(InputError, match=r"bad\.png: not a readable image"):
        read_pictures([bad], skipped.append)  # nothing is left


def test_names_that_are_not_utf_8_can_be_shown(tmp_path: Path, faces: FaceSet) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    Image.fromarray(faces.images[0]).save(path)
    assert read_pictures([path])[1] == [path]
    assert shown(path) == f"{tmp_path}/\\xff.png"
