import gzip
import io
import json
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from fer_utils.data.faces import CLASSES, UNLABELLED, USAGES, FaceSet
from fer_utils.data.load import load, read
from fer_utils.errors import InputError
from tests.conftest import pixels, write_csv


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


def kaggle(folder: Path, faces: FaceSet) -> Path:
    return write_csv(folder / "fer2013.csv", faces)


def icml(folder: Path, faces: FaceSet) -> Path:
    rows = zip(faces.labels, faces.usage, faces.images, strict=True)
    lines = [f"{label},{usage},{pixels(image)}" for label, usage, image in rows]
    path = folder / "icml_face_data.csv"
    path.write_text("\n".join(["emotion, Usage, pixels", *lines]))
    return path


def folders(folder: Path, faces: FaceSet) -> Path:
    for row, (image, label, usage) in enumerate(zip(faces.images, faces.labels, faces.usage, strict=True)):
        place = folder / "faces" / ("train" if usage == "Training" else "test") / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{usage}_{row}.png").write_bytes(png(image))
    return folder / "faces"


def parquet(folder: Path, faces: FaceSet) -> Path:
    images = [{"bytes": png(image), "path": None} for image in faces.images]
    columns = {"image": images, "label": faces.labels.tolist(), "usage": faces.usage.tolist()}
    pyarrow.parquet.write_table(pa.table(columns), folder / "faces.parquet")
    return folder / "faces.parquet"


def zipped(folder: Path, faces: FaceSet) -> Path:
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("__MACOSX/._fer2013.csv", "no csv")
        archive.write(kaggle(folder, faces), "fer2013.csv")
    return folder / "archive.zip"


def gzipped(folder: Path, faces: FaceSet) -> Path:
    (folder / "faces.gz").write_bytes(gzip.compress(kaggle(folder, faces).read_bytes()))
    return folder / "faces.gz"


def tarred_xz(folder: Path, faces: FaceSet) -> Path:
    with tarfile.open(folder / "fer2013.tar.xz", "w:xz", preset=0) as archive:
        archive.add(kaggle(folder, faces), "fer2013.csv")
    return folder / "fer2013.tar.xz"


def tarred(folder: Path, faces: FaceSet) -> Path:
    with tarfile.open(folder / "fer2013.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("fer2013/._fer2013.csv"))  # as macOS writes it
        archive.add(kaggle(folder, faces), "fer2013/fer2013.csv")
    return folder / "fer2013.tar.gz"


def xz(folder: Path, faces: FaceSet) -> Path:
    (folder / "faces.xz").write_bytes(lzma.compress(kaggle(folder, faces).read_bytes(), preset=0))
    return folder / "faces.xz"


@pytest.mark.parametrize("layout", [kaggle, icml, folders, parquet, zipped, gzipped, tarred, tarred_xz, xz])
def test_every_layout_gives_the_same_faces(
    layout: Callable[[Path, FaceSet], Path], faces: FaceSet, tmp_path: Path
) -> None:
    found = read(layout(tmp_path, faces))
    np.testing.assert_array_equal(found.images, faces.images)
    np.testing.assert_array_equal(found.labels, faces.labels)
    np.testing.assert_array_equal(found.usage, faces.usage)
    assert found.labels.dtype == np.int64
    assert found.fingerprint == faces.fingerprint


def test_the_content_decides_and_not_the_name(faces: FaceSet, tmp_path: Path) -> None:
    misnamed = parquet(tmp_path, faces).rename(tmp_path / "faces.csv")
    assert read(misnamed).fingerprint == faces.fingerprint


def test_the_files_of_the_course(faces: FaceSet, tmp_path: Path) -> None:
    training, test = faces.part("Training"), faces.part("PublicTest")
    rows = zip(training.labels, training.images, strict=True)
    (tmp_path / "train.csv").write_text("label,feature\n" + "".join(f"{y},{pixels(x)}\n" for y, x in rows))
    (tmp_path / "test.csv").write_text(
        "id,feature\n" + "".join(f"{i},{pixels(x)}\n" for i, x in enumerate(test.images))
    )
    found = read(tmp_path / "train.csv")
    assert found.fingerprint == training.fingerprint
    found = read(tmp_path / "test.csv")
    np.testing.assert_array_equal(found.images, test.images)
    assert set(found.labels) == {-1}
    assert set(found.usage) == {"PublicTest"}


def test_class_folders_without_train_and_test_are_training(faces: FaceSet, tmp_path: Path) -> None:
    for name in ("Happy", "sad"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(png(faces.images[0]))
    found = read(tmp_path)
    assert sorted(found.labels) == [CLASSES.index("happy"), CLASSES.index("sad")]
    assert set(found.usage) == {"Training"}


def test_no_picture_is_passed_over_in_silence(faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.gif").write_bytes(png(faces.images[0]))
    (tmp_path / "faces" / "happy").mkdir(parents=True)
    (tmp_path / "faces" / "happy" / "b.TIF").write_bytes(png(faces.images[0]))
    (tmp_path / "faces" / "sad").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert sorted(read(tmp_path / "faces").labels) == [CLASSES.index("happy"), CLASSES.index("sad")]
    (tmp_path / "faces" / "happy" / "c.txt").write_bytes(b"")
    (tmp_path / "faces" / "labels.txt").write_text("that is no picture, and lies in no class folder")
    assert "ignored 1 files such as" in read(tmp_path / "faces").skipped[0]
    for _ in range(2):  # read, and from the cache
        with pytest.warns(UserWarning, match=r"ignored 1 files such as .*c\.txt; allowed are \.avif, "):
            load(tmp_path / "faces")
    (tmp_path / "faces" / "happy" / "c.txt").rename(tmp_path / "faces" / "happy" / "c.heic")
    with pytest.raises(InputError, match=r"c\.heic: not a readable image"):
        read(tmp_path / "faces")


def test_beside_a_folder_of_validation_test_is_the_second_test(faces: FaceSet, tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tmp_path / part / "happy").mkdir(parents=True)
        (tmp_path / part / "happy" / "a.png").write_bytes(png(faces.images[0]))
    assert list(read(tmp_path).usage) == ["Training", "PublicTest", "PrivateTest"]
    shutil.rmtree(tmp_path / "val")
    assert list(read(tmp_path).usage) == ["Training", "PublicTest"]


@pytest.mark.parametrize("name", ["testing", "test_set", "Test Data", "eval", "TEST", "public_test"])
def test_a_folder_of_test_faces_is_known_by_many_names(name: str, faces: FaceSet, tmp_path: Path) -> None:
    for part in ("training", name):
        (tmp_path / part / "happy").mkdir(parents=True)
        (tmp_path / part / "happy" / "a.png").write_bytes(png(faces.images[0]))
    assert list(read(tmp_path).usage) == ["Training", "PublicTest"]
    (tmp_path / "dev" / "happy").mkdir(parents=True)
    (tmp_path / "dev" / "happy" / "a.png").write_bytes(png(faces.images[0]))
    tests = ["PublicTest", "PublicTest"] if name == "public_test" else ["PublicTest", "PrivateTest"]
    assert list(read(tmp_path).usage) == ["Training", *tests]


def test_a_folder_may_name_part_and_class(faces: FaceSet, tmp_path: Path) -> None:
    for part in ("train", "test"):
        for i, name in enumerate(CLASSES):
            (tmp_path / f"{part}_{name}").mkdir()
            (tmp_path / f"{part}_{name}" / f"{i}.png").write_bytes(png(faces.images[i]))
    found = read(tmp_path)
    assert found.usage.tolist() == ["Training"] * 7 + ["PublicTest"] * 7
    assert found.labels.tolist() == [*range(7), *range(7)]
    np.testing.assert_array_equal(found.images[:7], faces.images[:7])


def test_a_folder_that_could_be_any_part_is_refused_beside_known_ones(faces: FaceSet, tmp_path: Path) -> None:
    for part in ("train", "extra"):
        (tmp_path / part / "happy").mkdir(parents=True)
        (tmp_path / part / "happy" / "Training day.png").write_bytes(png(faces.images[0]))
    with pytest.raises(InputError, match=r"beside those of train and test lies 'extra'"):
        read(tmp_path)
    (tmp_path / "extra").rename(tmp_path / "test")  # a name such as Training_123 would count, not this one
    assert list(read(tmp_path).usage) == ["Training", "PublicTest"]


def test_links_that_lead_in_circles_are_followed_once(faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "a.png").write_bytes(png(faces.images[0]))
    (tmp_path / "happy" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "happy" / "twice").symlink_to(tmp_path / "happy", target_is_directory=True)
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(
    ("words", "usages"),
    [
        (["train", "test"], ["Training", "PublicTest"]),
        (["TRAIN", "validation", "test"], ["Training", "PublicTest", "PrivateTest"]),
        (["Training", "PublicTest", "PrivateTest"], ["Training", "PublicTest", "PrivateTest"]),
    ],
)
def test_a_column_split_tells_the_usage_and_labels_the_class(
    words: list[str], usages: list[str], faces: FaceSet, tmp_path: Path
) -> None:
    few = faces[np.arange(len(words))]
    rows = [f"{y},{pixels(x)},{word}" for y, x, word in zip(few.labels, few.images, words, strict=True)]
    (tmp_path / "split.csv").write_text("\n".join(["labels,pixels,split", *rows]))
    encoded = [png(image) for image in few.images]
    columns = {"image": encoded, "labels": few.labels, "split": words}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "split.parquet")
    for name in ("split.csv", "split.parquet"):
        found = read(tmp_path / name, CLASSES)
        assert list(found.usage) == usages
        assert list(found.labels) == list(few.labels)
    pyarrow.parquet.write_table(pa.table(columns | {"usage": words[::-1]}), tmp_path / "both.parquet")
    with pytest.raises(InputError, match=r"the columns split and usage are both the usage\. Drop one of them"):
        read(tmp_path / "both.parquet", CLASSES)
    pyarrow.parquet.write_table(pa.table(columns | {"split": ["somewhere"] * len(words)}), tmp_path / "odd.parquet")
    with pytest.raises(InputError, match="row 0: split 'somewhere', allowed are Training, PublicTest, PrivateTest, or"):
        read(tmp_path / "odd.parquet")


def test_a_folder_of_csv_files_is_one_data_set(faces: FaceSet, tmp_path: Path) -> None:
    rows = {"train": faces[np.arange(3)], "val": faces[np.arange(3, 6)], "test": faces[np.arange(6, 9)]}
    for part, few in rows.items():
        lines = [f"{label},{pixels(image)}" for label, image in zip(few.labels, few.images, strict=True)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["emotion,pixels", *lines]))
    found = read(tmp_path)
    for usage, few in zip(USAGES, rows.values(), strict=True):
        assert (found.images[found.usage == usage] == few.images).all()
        assert (found.labels[found.usage == usage] == few.labels).all()
    (tmp_path / "test.csv").write_text("\n".join(["pixels", *map(pixels, rows["test"].images)]))
    found = read(tmp_path)
    assert (found.labels[found.usage == "PrivateTest"] == UNLABELLED).all()
    for part, few in rows.items():
        lines = [f"{label},{part},{pixels(image)}" for label, image in zip(few.labels, few.images, strict=True)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["emotion,split,pixels", *lines]))
    assert set(read(tmp_path).usage) == set(USAGES)
    (tmp_path / "test.csv").write_text((tmp_path / "train.csv").read_text())
    assert "taken as their column says, not the file" in read(tmp_path).skipped[0]
    (tmp_path / "val.csv").unlink()
    (tmp_path / "test.csv").unlink()
    (tmp_path / "more.csv").write_text((tmp_path / "train.csv").read_text())
    with pytest.raises(InputError, match=r"beside those of train and test lies 'more\.csv'"):
        read(tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_stay_with_their_faces(
    suffix: str, tmp_path: Path, faces: FaceSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, path = ["9", "b", "10"], tmp_path / f"test.{suffix}"
    if suffix == "csv":
        rows = [f"{name} ,{pixels(image)}" for name, image in zip(ids, faces.images, strict=False)]
        path.write_text("\n".join(["id,feature", *rows]))
    else:
        images = pa.array([png(image) for image in faces.images[:3]])
        pyarrow.parquet.write_table(pa.table({"id": ids, "image": images}), path)
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # read, and from the cache
        found = load(path)
        assert found.ids is not None
        assert list(found.ids) == ids
        assert (found.images == faces.images[:3]).all()
        few = found[np.array([2, 0])].ids
        assert few is not None
        assert list(few) == ["10", "9"]


GOOD = pixels(np.zeros((48, 48), np.uint8))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"0,{GOOD[:-2]},Training", r"line 3: 2303 pixels, expected 2304"),
        (f"0,{GOOD} 7,Training", r"line 3: 2305 pixels, expected 2304"),
        (f"0,256{GOOD[1:]},Training", r"line 3: pixel '256', allowed are 0\.\.255"),
        (f"0,-1{GOOD[1:]},Training", r"line 3: pixel '-1', allowed"),
        (f"0,x{GOOD[1:]},Training", r"line 3: pixel 'x', allowed"),
        (f"7,{GOOD},Training", r"line 3: emotion '7', allowed are 0\.\.6 \(angry"),
        (f"-1,{GOOD},Training", r"line 3: no label, but others of Training have one"),
        (f",{GOOD},Training", r"line 3: no label, but others of Training have one"),
        ("0,,Training", r"line 3: the field 'pixels' is empty"),
        (f"0,{GOOD},", r"line 3: the field 'Usage' is empty"),
        (f"0,{GOOD},Tset", r"line 3: Usage 'Tset', allowed are Training, PublicTest, PrivateTest, or words such as"),
        (f"0,{GOOD[:1000]}", r"line 3: 2 fields, expected 3 \(emotion, pixels, Usage\)"),
        (f"0,{GOOD},Publ", r"line 3: Usage 'Publ'"),
        (f'0,"{GOOD},Training' + f"\n0,{GOOD},Training" * 40, r"field larger than .*Check for an unclosed quote"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(row: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(f"emotion,pixels,Usage\n0,{GOOD},Training\n{row}")
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_bad_row_in_a_parquet_is_refused(faces: FaceSet, tmp_path: Path) -> None:
    table = pa.table({"image": [png(faces.images[0])] * 2, "label": [0, 9]})
    pyarrow.parquet.write_table(table, tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"row 1: label 9, allowed are 0\.\.6"):
        read(tmp_path / "bad.parquet")
    for label in (2.7, "smug"):
        table = pa.table({"image": [png(faces.images[0])], "label": [label]})
        pyarrow.parquet.write_table(table, tmp_path / "bad.parquet")
        with pytest.raises(InputError, match=rf"row 0: label {label!r}, allowed are"):
            read(tmp_path / "bad.parquet")
    pyarrow.parquet.write_table(pa.table({"image": ["a.png"], "label": [0]}), tmp_path / "bad.parquet")
    with pytest.raises(InputError, match="row 0: 'a\\.png' as image; expected are 2304 pixels"):
        read(tmp_path / "bad.parquet")
    columns = {"image": [png(faces.images[0])] * 2, "label": [2.0, float("nan")]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "floats.parquet")
    with pytest.raises(InputError, match="row 1: no label, but others have one"):
        read(tmp_path / "floats.parquet", CLASSES)
    pyarrow.parquet.write_table(pa.table(columns | {"split": ["train", "test"]}), tmp_path / "floats.parquet")
    assert read(tmp_path / "floats.parquet", CLASSES).labels.tolist() == [2, UNLABELLED]


def test_hidden_files_are_no_faces(faces: FaceSet, tmp_path: Path) -> None:
    place = folders(tmp_path, faces) / "train"
    before = read(place).fingerprint
    hidden = [place / "happy" / name for name in ("._0.png", ".ipynb_checkpoints/0.png")]
    for file in hidden:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"no picture")
    assert read(place).fingerprint == before


def test_pictures_in_class_folders_may_have_any_size_of_a_face(faces: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    wide = np.pad(faces.images[0], ((0, 0), (8, 8)))
    (tmp_path / "happy" / "a.png").write_bytes(png(wide))
    assert (read(tmp_path).images[0] == faces.images[0]).all()  # the middle square
    (tmp_path / "happy" / "b.png").write_bytes(png(wide[:15]))
    with pytest.raises(InputError, match=r"b\.png: 64x15 pixels, expected at least 16"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), r"cannot be read .*allowed are CSV"),
        (b"a,b\n1,2\n", r"line 1: the columns are \['a', 'b'\]; allowed are emotion"),
        (b"emotion,pixels,Usage\n", "a header and no rows"),
        (b"", "line 1: the columns are"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", r"\(binary data\); allowed are CSV"),  # a photograph of a telephone
        (b"\x1f\x8bnot gzip at all", r"cannot be read .*allowed are CSV"),
        (gzip.compress(b"", mtime=0)[:10] + b"\x07" * 9, "allowed are CSV"),  # a time would change the test's name
        (b"emotion,pixels,face\n", r"are \['emotion', 'pixels', 'face'\]; allowed .* and id, each at most once"),
    ],
)
def test_what_is_no_data_set_is_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_folder_without_class_folders_names_what_it_holds(faces: FaceSet, tmp_path: Path) -> None:
    zipped(tmp_path, faces)
    (tmp_path / "fer2013.csv").unlink()
    with pytest.raises(InputError, match=r"It holds archive\.zip: give one of them"):
        read(tmp_path)


def test_an_image_of_16_bits_is_scaled_and_not_clipped(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    Image.fromarray(np.full((48, 48), 40_000, np.uint16)).save(tmp_path / "happy" / "a.png")
    assert set(read(tmp_path).images.flat) == {40_000 // 257}


def test_blanks_quotes_crlf_and_a_byte_order_mark_do_no_harm(faces: FaceSet, tmp_path: Path) -> None:
    rows = [f'" {y}"," {pixels(x)} ",{u}' for y, x, u in zip(faces.labels, faces.images, faces.usage, strict=True)]
    path = tmp_path / "odd.csv"
    path.write_bytes("\r\n".join(["\ufeffemotion,pixels,Usage", *rows, ""]).encode())
    assert read(path).fingerprint == faces.fingerprint


def test_a_tar_of_two_tables_is_refused(faces: FaceSet, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "two.tar.gz", "w:gz") as archive:
        for name in ("train.csv", "test.csv"):
            archive.add(kaggle(tmp_path, faces), name)
    with pytest.raises(InputError, match=r"two\.tar\.gz: holds train\.csv and test\.csv; allowed is exactly one"):
        read(tmp_path / "two.tar.gz")


def hugging_face(path: Path, faces: FaceSet, names: list[str]) -> Path:
    """A parquet file as Hugging Face's datasets write it, its classes in the order of their folders' names."""
    images = [{"bytes": png(image), "path": None} for image in faces.images]
    labels = [names.index(CLASSES[label]) for label in faces.labels]
    about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    table = pa.table({"image": images, "label": labels, "usage": faces.usage.tolist()})
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), path)
    return path


def test_labels_that_count_classes_in_another_order_are_ours(faces: FaceSet, tmp_path: Path) -> None:
    found = read(hugging_face(tmp_path / "faces.parquet", faces, sorted(CLASSES)))
    assert found.labels.tolist() == faces.labels.tolist()
    nothing: list[object] = [[], {"info": None}]
    for about in nothing:  # which say nothing of classes
        table = pyarrow.parquet.read_table(tmp_path / "faces.parquet")
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        pyarrow.parquet.write_table(table, tmp_path / "bare.parquet")
        assert len(read(tmp_path / "bare.parquet")) == len(faces)
    strange = hugging_face(tmp_path / "strange.parquet", faces, [*sorted(CLASSES), "contempt"])
    assert set(read(strange).labels) == set(range(7))  # no face has that class
