"""Tables, arrays and folders as people have them: each kind is understood, or refused by name."""

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from PIL import Image

from fer_utils.data.classes import parse_order
from fer_utils.data.faces import CLASSES, UNLABELLED, FaceSet
from fer_utils.data.load import load, read
from fer_utils.errors import InputError
from tests.conftest import faces_of, pixels
from tests.data.test_read import png

ALPHABET = tuple(sorted(CLASSES))
CK = (*CLASSES, "-")


@pytest.fixture(scope="module")
def few() -> FaceSet:
    """Two faces of each class, some of each usage."""
    return faces_of(14)


def same(found: FaceSet, expected: FaceSet) -> None:
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.usage.tolist() == expected.usage.tolist()


def rows_of(faces: FaceSet) -> pd.DataFrame:
    """The columns of fer2013.csv."""
    return pd.DataFrame({"emotion": faces.labels, "pixels": list(map(pixels, faces.images)), "Usage": faces.usage})


def bracketed(text: str) -> str:
    return f"[{text.replace(' ', ', ')}]"


CSV: dict[str, Any] = {
    "semicolon": lambda t: t.to_csv(index=False, sep=";"),
    "tab": lambda t: t.to_csv(index=False, sep="\t"),
    "byte order mark": lambda t: "\ufeff" + t.to_csv(index=False, sep=";"),
    "float labels": lambda t: t.astype({"emotion": float}).to_csv(index=False),
    "names": lambda t: t.assign(emotion=[CLASSES[i].title() for i in t.emotion]).to_csv(index=False),
    "usage in other words": lambda t: t.replace({"Usage": {"Training": "train", "PublicTest": "TEST"}}).to_csv(
        index=False
    ),
    "brackets and commas": lambda t: t.assign(pixels=t.pixels.map(bracketed)).to_csv(index=False),
    "commas": lambda t: t.assign(pixels=t.pixels.str.replace(" ", ",")).to_csv(index=False),
    "two blanks": lambda t: t.assign(pixels=t.pixels.str.replace(" ", "  ")).to_csv(index=False),
    "lines": lambda t: t.assign(pixels=t.pixels.str.replace(" ", "\n", n=9)).to_csv(index=False),
    "as numpy prints": lambda t: t.assign(pixels=[str(np.array(p.split(), int)) for p in t.pixels]).to_csv(index=False),
    "decimal points": lambda t: t.assign(pixels=t.pixels.str.replace(" ", ".0 ")).to_csv(index=False),
    "blank lines": lambda t: t.to_csv(index=False).replace("\n", "\n\n"),
    "an empty tail": lambda t: t.to_csv(index=False) + ",,\n" * 3 + " , ,\n",
    "quoted names": lambda t: t.to_csv(index=False, quoting=1),
    "a column named twice over": lambda t: t.assign(label=t.emotion).to_csv(index=False),
}


@pytest.mark.parametrize("kind", CSV)
def test_a_csv_is_read_as_people_save_it(kind: str, few: FaceSet, tmp_path: Path) -> None:
    with np.printoptions(threshold=10_000):
        (tmp_path / "faces.csv").write_text(CSV[kind](rows_of(few)), encoding="utf-8")
    same(read(tmp_path / "faces.csv"), few)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_csv_may_be_utf_16(encoding: str, few: FaceSet, tmp_path: Path) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    text = mark + rows_of(few).to_csv(index=False, sep="\t")
    (tmp_path / "faces.csv").write_text(text, encoding=encoding)
    same(read(tmp_path / "faces.csv"), few)
    bad = rows_of(few)
    bad.loc[3, "emotion"] = 9
    (tmp_path / "faces.csv").write_text(mark + bad.to_csv(index=False, sep="\t"), encoding=encoding)
    with pytest.raises(InputError, match=r"line 5: emotion '9', allowed"):
        read(tmp_path / "faces.csv")


@pytest.mark.parametrize("name", ["pixel{}", "p{}", "px_{}", "{}"])
def test_pixels_may_have_a_column_each(name: str, few: FaceSet, tmp_path: Path) -> None:
    flat = pd.DataFrame(few.images.reshape(14, -1), columns=[name.format(i + 1) for i in range(2304)])
    table = pd.concat([flat.iloc[:, ::-1], rows_of(few).drop(columns="pixels")], axis=1)  # in any order
    table.to_csv(tmp_path / "faces.csv", index=False)
    table.to_parquet(tmp_path / "faces.parquet")
    same(read(tmp_path / "faces.csv"), few)
    same(read(tmp_path / "faces.parquet"), few)
    table.drop(columns=name.format(7)).to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=r"line 1: the columns are \[.{70,78}\.\.\.; allowed are emotion"):
        read(tmp_path / "faces.csv")


def test_an_index_and_other_columns_are_named_every_time(few: FaceSet, tmp_path: Path) -> None:
    rows_of(few).assign(filename="a.png").to_csv(tmp_path / "faces.csv")
    for _ in range(2):  # read, and from the cache
        with pytest.warns(UserWarning, match=r"faces\.csv: ignored the columns '', 'filename'"):
            same(load(tmp_path / "faces.csv"), few)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("isTraining", [0, 1] * 7, r"the column 'isTraining' could tell a label or a usage"),
        ("angry", [0, 1] * 7, r"the column 'angry' could tell a label or a usage"),
        ("fold", range(14), r"the column 'fold' could tell a label or a usage"),
        ("second label", range(14), r"the column 'second label' could tell a label or a usage"),
        ("is_test", [0, 1] * 7, r"the column 'is_test' could tell a label or a usage"),
        ("where", ["train", "test"] * 7, r"the column 'where' seems to hold usages\. Name it so, or delete it"),
        ("seen", ["sad", "Happy"] * 7, r"the column 'seen' seems to hold labels\. Name it so, or delete it"),
        ("label_text", ["sad", *["happy"] * 13], r"emotion and label_text are different classes\. Delete one of them"),
        ("label", [6] * 14, r"line 2: emotion and label are different classes\. Delete one of them"),
        ("split", ["test"] * 14, r"the columns Usage and split are both the usage\. Drop one of them"),
    ],
)
def test_no_column_that_could_change_labels_or_usages_is_passed_over(
    column: str, values: Any, message: str, few: FaceSet, tmp_path: Path
) -> None:
    rows_of(few).assign(**{column: list(values)}).to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "faces.csv")


def test_a_bad_row_is_named_by_its_first_line_and_quoted_in_short(few: FaceSet, tmp_path: Path) -> None:
    table = rows_of(few)
    table["pixels"] = table.pixels.str.replace(" ", "\n", n=9)
    table.loc[2, "pixels"] = table.pixels[2].replace(" ", " x" + 500 * "9", 1)
    table.to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=r"line 22: pixel 'x9{70,80}\.\.\., allowed are 0\.\.255"):
        read(tmp_path / "faces.csv")
    (tmp_path / "faces.csv").write_text("\n".join(map(pixels, few.images)))  # no header
    with pytest.raises(InputError, match=r"line 1: the columns are .{70,80}; allowed are") as error:
        read(tmp_path / "faces.csv")
    assert len(str(error.value)) < 500
    (tmp_path / "faces.csv").write_bytes(b"emotion,pixels,id\n0," + pixels(few.images[0]).encode() + b",\xe9\n")
    with pytest.raises(InputError, match=r"line 2: bytes that are not UTF-8"):
        read(tmp_path / "faces.csv")


def test_test_faces_without_labels_are_read(few: FaceSet, tmp_path: Path) -> None:
    table = rows_of(few).astype({"emotion": str})
    table.loc[few.usage == "PublicTest", "emotion"] = ""
    table.to_csv(tmp_path / "faces.csv", index=False)
    found = read(tmp_path / "faces.csv")
    assert found.labels.tolist() == np.where(few.usage == "PublicTest", UNLABELLED, few.labels).tolist()
    table.loc[1, "emotion"] = ""
    table.to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=r"line 3: no label, but others of Training have one\. Correct or delete it"):
        read(tmp_path / "faces.csv")


def parquet(path: Path, columns: dict[str, Any], **names: tuple[str, ...]) -> Path:
    """A Parquet file; `names` are Hugging Face's names of the classes of columns."""
    about = {"info": {"features": {column: {"names": classes} for column, classes in names.items()}}}
    table = pa.table(columns)
    if names:
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pyarrow.parquet.write_table(table, path)
    return path


def test_a_parquet_is_read_in_the_schemas_of_its_writers(few: FaceSet, tmp_path: Path) -> None:
    encoded = [png(image) for image in few.images]
    structs = [{"bytes": image, "path": None} for image in encoded]
    usage, alphabet = few.usage.tolist(), [ALPHABET.index(CLASSES[label]) for label in few.labels]
    words = pa.array([CLASSES[label] for label in few.labels]).dictionary_encode()
    rows_of(few).to_parquet(tmp_path / "pandas.parquet")
    files = [
        parquet(tmp_path / "a.parquet", {"image": structs, "labels": alphabet, "split": usage}, labels=ALPHABET),
        parquet(tmp_path / "b.parquet", {"img_bytes": encoded, "label": alphabet, "usage": usage}, label=ALPHABET),
        parquet(tmp_path / "c.parquet", {"jpg": structs, "cls": few.labels, "usage": usage}),
        parquet(tmp_path / "d.parquet", {"image": few.images.tolist(), "emotion": few.labels, "usage": usage}),
        parquet(
            tmp_path / "e.parquet", {"pixels": few.images.reshape(14, -1).tolist(), "label": words, "usage": usage}
        ),
        tmp_path / "pandas.parquet",
    ]
    for file in files:
        same(read(file), few)


def arrow(path: Path, table: pa.Table, *, stream: bool) -> Path:
    path.parent.mkdir(exist_ok=True)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema) as file:
        file.write_table(table, max_chunksize=3)
    return path


@pytest.mark.parametrize("stream", [True, False])
def test_arrow_files_and_what_hugging_face_saves_to_a_disk_are_read(stream: bool, few: FaceSet, tmp_path: Path) -> None:
    alphabet = [ALPHABET.index(CLASSES[label]) for label in few.labels]
    columns = {"image": [{"bytes": png(image), "path": None} for image in few.images], "label": alphabet}
    about = {"info": {"features": {"label": {"names": ALPHABET}}}}
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(about)})
    whole = table.append_column("split", pa.array(few.usage.tolist()))
    same(read(arrow(tmp_path / "faces.arrow", whole, stream=stream)), few)
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for part, usage in {"train": "Training", "test": "PublicTest"}.items():
        arrow(saved / part / "data-00000-of-00001.arrow", table.filter(pa.array(few.usage == usage)), stream=stream)
        (saved / part / "state.json").write_text("{}")
    found = read(saved)
    same(found[np.argsort(found.usage != "Training", kind="stable")], few)


def test_numbers_of_unknown_order_are_refused_until_it_is_given(few: FaceSet, tmp_path: Path) -> None:
    columns = {"image": [png(image) for image in few.images], "label": few.labels, "split": few.usage.tolist()}
    ours = parquet(tmp_path / "ours.parquet", columns)  # FER2013's words for the usages are a sign of its classes
    same(read(ours), few)
    words = {"Training": "train", "PublicTest": "test"}
    alphabet = [ALPHABET.index(CLASSES[label]) for label in few.labels]
    columns |= {"label": alphabet, "split": [words[usage] for usage in few.usage]}
    path = parquet(tmp_path / "alphabet.parquet", columns)
    with pytest.raises(
        InputError, match=r"column 'label' has numbers, and nothing tells .* with --classes, such as angry"
    ):
        read(path)
    same(load(path, classes=",".join(ALPHABET)), few)
    assert load(path, classes=",".join(CLASSES)).labels.tolist() == alphabet  # the cache knows the order
    assert load(path, classes=",".join(CLASSES)).fingerprint != few.fingerprint


def test_an_order_of_classes_may_leave_some_out(few: FaceSet, tmp_path: Path) -> None:
    table = rows_of(few)
    table.loc[3, "emotion"] = 7  # contempt, as in CK+
    table.to_csv(tmp_path / "ck.csv", index=False)
    with pytest.raises(InputError, match=r"line 5: emotion '7', allowed are 0\.\.6 .* with --classes, such as angry"):
        read(tmp_path / "ck.csv")
    found = read(tmp_path / "ck.csv", CK)
    same(found, few[np.arange(14) != 3])
    assert found.skipped == ("ck.csv: left out 1 faces of classes that --classes leaves out",)
    table.assign(emotion=[("contempt" if label == 7 else CLASSES[label]) for label in table.emotion]).to_csv(
        tmp_path / "names.csv", index=False
    )
    same(read(tmp_path / "names.csv", CK), few[np.arange(14) != 3])
    with pytest.raises(InputError, match=r"line 2: emotion 'angry', allowed are the numbers or names of happy, sad"):
        read(tmp_path / "names.csv", ("happy", "sad"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("angry,hapy", r"unknown class 'hapy'\. Did you mean 'happy'\? .* - leaves a class out"),
        ("angry,anger", r"angry stands there twice"),
        ("-,-", r"leaves out all classes"),
        ("angry,,sad", r"unknown class ''"),
    ],
)
def test_an_order_of_classes_is_checked(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_order(text)


def test_synonyms_name_classes() -> None:
    assert parse_order("Afraid, happiness,-,SURPRISED") == ("fear", "happy", "-", "surprise")
    assert parse_order("") == ()


def class_folders(path: Path, names: list[str], faces: FaceSet) -> Path:
    for name, image in zip(names, faces.images, strict=False):
        (path / name).mkdir(parents=True)
        (path / name / "0.png").write_bytes(png(image))
    return path


def test_numbered_folders_need_an_order(few: FaceSet, tmp_path: Path) -> None:
    path = class_folders(tmp_path / "faces", ["train/3", "train/4", "test/3"], few)
    with pytest.raises(InputError, match=r"nothing tells the class of folder 3; give the order .* --classes"):
        read(path)
    assert read(path, CLASSES).labels.tolist() == [3, 4, 3]
    assert read(path, ALPHABET).labels.tolist() == [3, 6, 3]
    assert read(path, ("-", "-", "-", "sad", "-")).labels.tolist() == [4, 4]


def test_a_folder_of_no_class_is_refused_or_left_out(few: FaceSet, tmp_path: Path) -> None:
    path = class_folders(tmp_path / "ck48", ["0_anger", "contempt", "Happy faces"], few)
    with pytest.raises(InputError, match=r"in folder 'contempt', which is no class; allowed are angry, .*,neutral,-"):
        read(path)
    found = read(path, CK)
    assert found.labels.tolist() == [0, 3]
    assert found.skipped == (f"{path}: left out 1 images of classes that --classes leaves out",)
    assert "contempt → left out" in found.reading[-1]


@pytest.mark.parametrize("name", ["fer_test", "my Test images", "private_test", "ferTest", "TestImgs", "FER2013Test"])
def test_the_part_may_be_a_word_in_a_name(name: str, few: FaceSet, tmp_path: Path) -> None:
    path = class_folders(tmp_path / "faces", ["fer_train/happy", f"{name}/happy"], few)
    assert read(path).usage.tolist() == ["Training", "PrivateTest" if "private" in name else "PublicTest"]


def test_a_file_or_folder_of_test_faces_is_no_training(few: FaceSet, tmp_path: Path) -> None:
    class_folders(tmp_path / "test", ["happy", "sad"], few)
    assert set(read(tmp_path / "test").usage) == {"PublicTest"}
    rows_of(few).drop(columns="Usage").to_csv(tmp_path / "fer2013_test.csv", index=False)
    assert set(read(tmp_path / "fer2013_test.csv").usage) == {"PublicTest"}
    rows_of(few).to_csv(tmp_path / "test.csv", index=False)  # a column tells more than a name
    same(read(tmp_path / "test.csv"), few)


def test_shards_are_one_data_set(few: FaceSet, tmp_path: Path) -> None:
    names = ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]
    parts = np.array([0, 1, 2] * 5)[:14]
    (tmp_path / "README.md").write_text("a data set")
    for place, name in enumerate(names):
        part = few[parts == place]
        columns = {"image": [png(image) for image in part.images], "label": part.labels}
        parquet(tmp_path / f"{name}.parquet", columns, label=CLASSES)
    found = read(tmp_path)
    order = np.argsort([2 * (part == 2) + part for part in parts], kind="stable")
    assert sorted(found.labels) == sorted(few.labels)
    assert (found.usage == "PublicTest").sum() == (parts == 2).sum()
    assert set(found.usage) == {"Training", "PublicTest"}
    assert len(order) == len(found)
    parquet(tmp_path / "extra.parquet", columns, label=CLASSES)
    with pytest.raises(InputError, match=r"beside those of train and test lies 'extra\.parquet'"):
        read(tmp_path)


def test_arrays_are_read(few: FaceSet, tmp_path: Path) -> None:
    training, test = few.part("Training"), few.part("PublicTest")
    np.savez(
        tmp_path / "faces.npz",
        x_train=training.images[..., None].astype(np.float32),
        y_train=training.labels.astype(float)[:, None],
        x_test=test.images,
        y_test=np.eye(7)[test.labels],
    )
    same(read(tmp_path / "faces.npz"), few)
    np.savez_compressed(tmp_path / "flat.npz", X=few.images.reshape(14, -1), y=few.labels, usage=few.usage)
    same(read(tmp_path / "flat.npz"), few)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "images.npy", few.images)
    np.save(tmp_path / "folder" / "labels.npy", np.array([CLASSES[label] for label in few.labels]))
    assert read(tmp_path / "folder").labels.tolist() == few.labels.tolist()
    assert set(read(tmp_path / "folder" / "images.npy").usage) == {"PublicTest"}  # without labels


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 48, 48)) + 0.5, "y": np.zeros(3)}, r"x: pixels that are not whole numbers .*by 255"),
        ({"x": np.zeros((3, 48, 48)), "y": np.zeros(4)}, r"y: float64 \(4,\); expected are 3 numbers or texts"),
        ({"x": np.zeros((3, 48, 48)), "a": np.zeros(3), "b": np.zeros(3)}, r"a and b are both labels of one part"),
        ({"x": np.zeros((3, 48, 48)), "x_test": np.zeros((3, 48, 48))}, r"x could be of any part"),
        ({"y_train": np.zeros(3)}, r"y_train without images"),
        ({"x": np.array([{}, {}])}, r"faces\.npz, x: objects, which would have to be unpickled"),
        ({"x": np.zeros((3, 48, 48)), "y": np.array([0, 1, 7])}, r"x, row 2: y 7, allowed are 0\.\.6"),
        ({"x": np.zeros((3, 4, 4))}, r"x: 4x4 pixels, expected at least 16"),
    ],
)
def test_arrays_that_cannot_be_faces_are_refused(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "faces.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "faces.npz")


def test_an_excel_workbook_is_told_from_an_archive(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "fer2013.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "")
    with pytest.raises(InputError, match=r"an Excel workbook\. Save the sheet as CSV"):
        read(tmp_path / "fer2013.xlsx")


def test_names_of_classes_beside_numbers_tell_their_order(few: FaceSet, tmp_path: Path) -> None:
    alphabet = [ALPHABET.index(CLASSES[label]) for label in few.labels]
    table = rows_of(few).assign(emotion=alphabet, label_text=[CLASSES[label] for label in few.labels])
    table.to_csv(tmp_path / "faces.csv", index=False)
    same(read(tmp_path / "faces.csv"), few)


def test_a_column_that_is_half_of_parts_is_not_passed_over_without_usages(few: FaceSet, tmp_path: Path) -> None:
    table = (
        rows_of(few).drop(columns="Usage").assign(source=["train/a.jpg", "test/b.jpg", "?"] * 4 + ["train/a.jpg"] * 2)
    )
    table.to_csv(tmp_path / "faces.csv", index=False)
    with pytest.raises(InputError, match=r"the column 'source' seems to hold usages"):
        read(tmp_path / "faces.csv")


def test_numbers_of_pixels_are_taken_in_our_order_and_this_is_told(few: FaceSet, tmp_path: Path) -> None:
    rows_of(few).drop(columns="Usage").rename(columns={"emotion": "label"}).to_csv(tmp_path / "faces.csv", index=False)
    with pytest.warns(UserWarning, match=r"label has numbers, taken in FER2013's order .* --classes"):
        assert load(tmp_path / "faces.csv").labels.tolist() == few.labels.tolist()
    load(tmp_path / "faces.csv", classes=",".join(CLASSES))  # and then there is no doubt


@pytest.mark.filterwarnings("ignore:ck.csv")
def test_rows_keep_their_numbers_where_classes_are_left_out(few: FaceSet, tmp_path: Path) -> None:
    from fer_utils.data.votes import row_numbers
    from fer_utils.inference.recognizer import open_recognizer, predict

    rows_of(few).assign(emotion=[7, *few.labels[1:]]).to_csv(tmp_path / "ck.csv", index=False)
    found = load(tmp_path / "ck.csv", classes=",".join(CK))
    assert row_numbers(found).tolist() == list(range(1, 14))
    assert row_numbers(load(tmp_path / "ck.csv", classes=",".join(CK))[np.arange(13) > 4]).tolist() == list(
        range(6, 14)
    )
    network = open_recognizer("compact-46k.ferplus")
    assert predict(network, [tmp_path / "ck.csv"]).id.tolist() == list(range(14))  # which needs no labels
    assert predict(network, [tmp_path / "ck.csv"], classes=",".join(CK)).id.tolist() == list(range(1, 14))


def test_the_usages_of_shards_are_those_of_the_whole(few: FaceSet, tmp_path: Path) -> None:
    words = ["train"] * 6 + ["validation"] * 4 + ["test"] * 4
    for place in (0, 1):
        rows = np.arange(14) % 2 == place
        columns = {"pixels": few[rows].images.tolist(), "emotion": few[rows].labels, "split": np.array(words)[rows]}
        parquet(tmp_path / f"part-{place}.parquet", columns)
    found = read(tmp_path)
    assert sorted(found.usage) == ["PrivateTest"] * 4 + ["PublicTest"] * 4 + ["Training"] * 6
    (tmp_path / "test.csv").write_text("")
    with pytest.raises(InputError, match=r"beside part-0\.parquet lies test\.csv"):
        read(tmp_path)


def test_folders_of_a_partition_are_columns(few: FaceSet, tmp_path: Path) -> None:
    for name in ("happy", "sad"):
        (tmp_path / f"emotion={name}" / "split=test").mkdir(parents=True)
        columns = {"pixels": few.images[:2].tolist()}
        parquet(tmp_path / f"emotion={name}" / "split=test" / "0.parquet", columns)
    found = read(tmp_path)
    assert found.labels.tolist() == [3, 3, 4, 4]
    assert set(found.usage) == {"PublicTest"}


def test_arrays_may_lie_in_folders_of_parts(few: FaceSet, tmp_path: Path) -> None:
    for name, part in {"train": few.part("Training"), "test": few.part("PublicTest")}.items():
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "images.npy", part.images)
        np.save(tmp_path / name / "labels.npy", part.labels)
    same(read(tmp_path), few)
    names = np.array(ALPHABET)
    alphabet = np.array([ALPHABET.index(CLASSES[label]) for label in few.labels])
    np.savez(tmp_path / "a.npz", X=few.images, y=alphabet, usage=few.usage, class_names=names, mean=np.array(0.5))
    same(read(tmp_path / "a.npz"), few)


def test_a_class_folder_may_hold_folders(few: FaceSet, tmp_path: Path) -> None:
    path = class_folders(tmp_path / "ck", ["angry/001", "contempt/003", "happy/004"], few)
    assert read(path, CK).labels.tolist() == [0, 3]
    with pytest.raises(InputError, match=r"in folder 'contempt', which is no class"):
        read(path)
    path = class_folders(tmp_path / "numbers", ["0/3", "1/4"], few)
    with pytest.raises(InputError, match=r"which of 0, 3 is the class\?"):
        read(path, CLASSES)


def test_names_that_contradict_their_folders_are_told(few: FaceSet, tmp_path: Path) -> None:
    for name in ("train/happy/Training_1.png", "val/happy/Training_2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(png(few.images[0]))
    found = read(tmp_path)
    assert set(found.usage) == {"Training"}
    assert re.search(r"1 images such as .*Training_2\.png are taken as their names say", found.skipped[0])


def test_all_names_of_images_may_tell_the_part(few: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    for name in ("train_0001_aligned", "test_0001_aligned"):  # as in RAF-DB
        (tmp_path / "happy" / f"{name}.png").write_bytes(png(few.images[0]))
    assert read(tmp_path).usage.tolist() == ["Training", "PublicTest"]


@pytest.mark.parametrize("before", ["sep=;\n", "\n\n", "\ufeffsep=;\r\n"])
def test_lines_before_the_names_of_columns_are_passed_over(before: str, few: FaceSet, tmp_path: Path) -> None:
    text = before + rows_of(few).assign(**{" ": "", "  ": ""}).to_csv(index=False, sep=";").replace(" ;  ", ";")
    (tmp_path / "faces.csv").write_text(text, encoding="utf-8", newline="")
    same(read(tmp_path / "faces.csv"), few)


@pytest.mark.parametrize(("highest", "shown"), [(255, 255), (4095, 255), (65535, 255)])
def test_gray_levels_of_8_and_12_bits_in_16_are_not_dark(highest: int, shown: int, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    Image.fromarray(np.full((48, 48), highest, np.uint16)).save(tmp_path / "happy" / "a.png")
    assert set(read(tmp_path).images.flat) == {shown}


def classed(folder: Path, few: FaceSet, *names: str) -> Path:
    """A picture of each class below some folders or, with `{}`, under such names."""
    for name in names:
        for i, label in enumerate(CLASSES):
            file = folder / (name.format(label) if "{}" in name else f"{name}/{label}/{i}.png")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(few.images[i]))
    return folder


def test_a_link_is_read_by_its_own_name_from_the_cache_too(few: FaceSet, tmp_path: Path) -> None:
    rows_of(few).drop(columns="Usage").to_csv(tmp_path / "faces.csv", index=False)
    (tmp_path / "test.csv").symlink_to(tmp_path / "faces.csv")
    for _ in range(2):
        assert set(load(tmp_path / "test.csv").usage) == {"PublicTest"}
        assert set(load(tmp_path / "faces.csv").usage) == {"Training"}


@pytest.mark.parametrize("label", ["label", "emotion"])
def test_numbers_among_names_are_refused_without_an_order(label: str, few: FaceSet, tmp_path: Path) -> None:
    labels = [CLASSES[i] if i == 3 else str(i) for i in few.labels]
    path = parquet(tmp_path / "mixed.parquet", {"image": list(map(png, few.images)), label: labels})
    with pytest.raises(InputError, match=rf"column '{label}' has names and numbers, whose classes nothing tells"):
        read(path)
    assert read(path, CLASSES).labels.tolist() == few.labels.tolist()


@pytest.mark.parametrize(
    "names", [("FERTrain", "FERTest"), ("CKTraining", "CKTesting"), ("public", "private"), ("train", "tests")]
)
def test_parts_are_known_in_capitals_and_other_words(names: tuple[str, str], few: FaceSet, tmp_path: Path) -> None:
    found = read(classed(tmp_path / "faces", few, *names))
    tests = 14 if names[0] == "public" else 7
    assert (found.usage != "Training").sum() == tests


def test_a_folder_of_a_long_name_is_a_test_if_it_ends_so(few: FaceSet, tmp_path: Path) -> None:
    for name, usage in {"raf-db-test": "PublicTest", "my test of many faces": "Training"}.items():
        assert set(read(classed(tmp_path / name, few, "x")).usage) == {usage}


def test_folders_and_files_of_unknown_parts_are_told_or_refused(few: FaceSet, tmp_path: Path) -> None:
    told = read(classed(tmp_path / "a", few, "fertrain", "fertest")).skipped
    assert any("fertest, fertrain are not known as parts" in each for each in told)
    stray = classed(tmp_path / "b", few, "{}/test_0.png", "{}/train_1.png")
    (stray / "happy" / "cover.png").write_bytes(png(few.images[0]))
    with pytest.raises(InputError, match="beside those of train and test lies"):
        read(stray)


def test_names_of_images_that_contradict_the_usage_are_refused(few: FaceSet, tmp_path: Path) -> None:
    def written(names: list[str]) -> Path:
        images = [{"bytes": png(image), "path": name} for image, name in zip(few.images, names, strict=True)]
        return parquet(tmp_path / "faces.parquet", {"image": images, "label": [CLASSES[i] for i in few.labels]})

    assert set(read(written([f"Training_{i}.jpg" for i in range(14)])).usage) == {"Training"}
    with pytest.raises(InputError, match=r"the column 'image\.path' seems to hold usages"):
        read(written([f"PrivateTest_{i}.jpg" for i in range(14)]))


def test_what_hugging_face_computed_is_not_read_twice(few: FaceSet, tmp_path: Path) -> None:
    table = pa.table({"image": list(map(png, few.images)), "label": [CLASSES[i] for i in few.labels]})
    for name in ("data-00000-of-00001.arrow", "cache-1234.arrow"):
        arrow(tmp_path / "train" / name, table, stream=True)
    found = read(tmp_path)
    assert len(found) == 14
    assert "ignored cache-*.arrow" in found.skipped[0]


def test_numbers_from_one_are_told(few: FaceSet, tmp_path: Path) -> None:
    rows_of(few).assign(emotion=few.labels % 6 + 1).to_csv(tmp_path / "faces.csv", index=False)
    assert any("numbers from 1" in each for each in read(tmp_path / "faces.csv").skipped)
    for i in range(1, 8):
        (tmp_path / "numbered" / str(i)).mkdir(parents=True)
        (tmp_path / "numbered" / str(i) / "face.png").write_bytes(png(few.images[i]))
    with pytest.raises(InputError, match=r"names the numbers 0 to 6\. If the folders count from 1, put - first"):
        read(tmp_path / "numbered", CLASSES)
    assert read(tmp_path / "numbered", ("-", *CLASSES)).labels.tolist() == list(range(7))


def test_several_pictures_in_one_file_are_refused(few: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    first, *others = map(Image.fromarray, few.images[:3])
    first.save(tmp_path / "happy" / "stack.tif", save_all=True, append_images=others)
    with pytest.raises(InputError, match=r"stack\.tif: 3 pictures in one file"):
        read(tmp_path)


def test_arrays_of_other_things_are_no_labels(few: FaceSet, tmp_path: Path) -> None:
    gender = np.zeros(14, int)
    np.savez(tmp_path / "a.npz", gender=gender, images=few.images, labels=few.labels)
    found = read(tmp_path / "a.npz")
    assert (found.labels == few.labels).all()
    assert "ignored the arrays gender" in found.skipped[-1]
    orders = [np.array(CLASSES), np.array(CLASSES[::-1])]
    np.savez(tmp_path / "b.npz", images=few.images, labels=few.labels, names=orders[0], classes=orders[1])
    with pytest.raises(InputError, match="names and classes name the classes in different orders"):
        read(tmp_path / "b.npz")


def test_that_folders_contradict_each_other_is_told(few: FaceSet, tmp_path: Path) -> None:
    path = class_folders(tmp_path / "faces", ["test/training_subjects/happy"], few)
    found = read(path)
    assert "taken as the innermost folder says" in found.skipped[0]
    assert set(found.usage) == {"Training"}


def test_arrays_of_no_images_or_of_images_last_are_refused(few: FaceSet, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", few.images[:0])
    with pytest.raises(InputError, match="no images"):
        read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.moveaxis(few.images, 0, 2))
    with pytest.raises(InputError, match=r"shape \(48, 48, 14\); expected is \(N, 48, 48\)"):
        read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", few.images > 99)
    np.testing.assert_array_equal(read(tmp_path / "a.npy").images, np.where(few.images > 99, 255, 0))
    np.save(tmp_path / "a.npy", (few.images > 99).astype(np.uint8))
    with pytest.raises(InputError, match=r"no pixel is above 1, allowed are 0\.\.255"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("start", ["sep=;\n", "\n"])
def test_utf_16_may_begin_with_other_lines(start: str, few: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text(start + rows_of(few).to_csv(index=False, sep=";"), encoding="utf-16")
    same(read(tmp_path / "faces.csv"), few)


def test_lines_may_end_as_on_an_old_mac(few: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_bytes(rows_of(few).to_csv(index=False, lineterminator="\r").encode())
    same(read(tmp_path / "faces.csv"), few)
    (tmp_path / "faces.csv").write_text("x" * 200_000 + ",y\n1,2\n")
    with pytest.raises(InputError, match="field larger than field limit"):
        read(tmp_path / "faces.csv")


def test_the_part_may_be_told_within_an_archive(few: FaceSet, tmp_path: Path) -> None:
    rows_of(few).drop(columns="Usage").to_csv(tmp_path / "part.csv", index=False)
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "part.csv", "test/part.csv")
    assert set(read(tmp_path / "archive.tar.gz").usage) == {"PublicTest"}


def test_columns_of_labels_do_not_matter_where_labels_are_not_read(few: FaceSet, tmp_path: Path) -> None:
    table = rows_of(few).drop(columns="Usage").assign(fold=range(14), sentiment_label="good")
    table.to_csv(tmp_path / "faces.csv", index=False)
    table.to_parquet(tmp_path / "faces.parquet")
    for name in ("faces.csv", "faces.parquet"):
        with pytest.warns(UserWarning, match="ignored the columns 'fold', 'sentiment_label'"):
            assert len(load(tmp_path / name, classes=None)) == 14
        with pytest.raises(InputError, match="'fold' could tell a label or a usage"):
            load(tmp_path / name)
