"""Files of any bytes: every reader answers or raises `InputError`, in 10 seconds and 1 GB, and does nothing else.

`FUZZ_EXAMPLES` is the number of examples for each reader: `make fuzz` tries many more than `make test`.
"""

import io
import json
import os
import resource
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_utils.analysis.scoring import read_answers
from fer_utils.data.faces import FaceSet
from fer_utils.data.load import UNREADABLE, load, read
from fer_utils.data.pictures import read_picture
from fer_utils.data.votes import read_votes
from fer_utils.errors import InputError
from fer_utils.inference.onnx import open_onnx
from fer_utils.models import weights, zoo
from fer_utils.models.bundled import bundled_onnx
from fer_utils.training.runs import RESUMED, _read_resume, read_record
from fer_utils.training.study import read_study
from tests.conftest import faces_of, pixels

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
MOST_SECONDS = 10
MOST_BYTES = 1 << 30
LEAST_SUCCESS = 0.05
FACES = faces_of(7)


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process take 1 GB more than it has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + MOST_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file as it is, or with some bytes changed, cut out, put in or repeated."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, max(0, len(content) - 1)))
        end = start + draw(st.integers(1, 40))
        change = draw(st.sampled_from(["change", "cut", "put", "repeat", "end"]))
        if change == "change":
            content[start:end] = draw(st.binary(min_size=1, max_size=8))
        elif change == "cut":
            del content[start:end]
        elif change == "put":
            content[start:start] = draw(st.one_of(st.binary(max_size=20), st.text(max_size=20).map(str.encode)))
        elif change == "repeat":
            content[start:start] = content[start:end] * draw(st.integers(1, 50))
        else:
            del content[start:]
    return bytes(content)


def saved(write: Callable[[Any], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def png(image: np.ndarray) -> bytes:
    return saved(lambda file: Image.fromarray(image).save(file, "png"))


def zipped(csv: bytes) -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("fer2013.csv", csv)

    return saved(write)


# ---- sound files, and such as people could write ----

NAMES = [
    "emotion", "label", "labels", "class", "cls", "Usage", "split", "fold", "id", "", "index", "file", "row",
    "predicted", "p_angry", "anger", "where", " label ",
]  # fmt: skip
WORDS = [
    "0",
    "1",
    "6",
    "7",
    "-1",
    "2.0",
    "happy",
    "Anger",
    "contempt",
    "",
    "train",
    "test",
    "Training",
    "nan",
    "x" * 90,
]
SEPARATORS = [" ", "  ", ",", ", ", "\n", ";"]
FIRST = FACES.images[:3]
STUDY = b'[[stage]]\nname = "a"\nmodels = ["cnn-48k"]\nseeds = [0]\nepochs = 3\n'
SOUND_RECORD: dict[str, Any] = {"format": 1, "key": "0", "model": "cnn-48k", "metrics": {}, "bytes": {}}


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Three rows of words, and the pixels of faces in some form."""
    separator = draw(st.sampled_from(SEPARATORS))
    texts = [separator.join(map(str, image.ravel())) for image in FIRST]
    forms = {
        "text": texts,
        "brackets": [f"[{text}]" for text in texts],
        "files": list(map(png, FIRST)),
        "structs": [{"bytes": png(image), "path": None} for image in FIRST],
        "lists": [image.ravel().tolist() for image in FIRST],
    }
    table = pd.DataFrame(index=range(3))
    table[draw(st.sampled_from(["pixels", "image", "jpg", "feature"]))] = forms[draw(st.sampled_from(list(forms)))]
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
        few = draw(st.sampled_from([["0", "1", "6"], ["happy", "sad"], ["train", "test"], WORDS]))
        table[name] = [draw(st.sampled_from(few)) for _ in range(3)]
    return table


def csvs() -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda table, delimiter, encoding: table.to_csv(index=False, sep=delimiter).encode(encoding, "replace"),
        tables(), st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    )  # fmt: skip


@st.composite
def arrays(draw: st.DrawFn) -> dict[str, Any]:
    """Images of some shape and type, and often labels."""
    shape = draw(st.sampled_from([(3, 48, 48), (3, 2304), (3, 48, 48, 1), (3, 1, 48, 48), (3, 20, 30, 3), (3, 48), ()]))
    images = (np.arange(np.prod(shape, dtype=int)) % draw(st.sampled_from([2, 256, 256, 256, 300]))).reshape(shape)
    pairs = [("x", "y"), ("images", "labels"), ("x_train", "y_train"), ("x_test", "usage")]
    name, about = draw(st.sampled_from(pairs))
    found = {name: images.astype(draw(st.sampled_from("BBqfdU")))}
    labels = [
        np.arange(3),
        np.eye(7)[:3],
        np.array(["happy", "sad", "x"]),
        np.array([1.0, 2.0, 3.0]),
        np.zeros((3, 2, 2)),
    ]
    for other in draw(st.sampled_from([[], [about], [about], [about, "y"]])):
        found[other] = draw(st.sampled_from(labels))
    return found


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    image = Image.fromarray(FACES.images[0]).convert(
        draw(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "F"]))
    )
    image = image.resize((draw(st.integers(1, 100)), draw(st.integers(1, 100))))
    try:
        return saved(
            lambda file: image.save(file, draw(st.sampled_from(["png", "jpeg", "tiff", "gif", "bmp", "webp"])))
        )
    except (OSError, ValueError, KeyError):  # no such mode in this format
        return b""


def studies() -> st.SearchStrategy[bytes]:
    keys = st.sampled_from(
        ["name", "models", "seeds", "recipe", "epochs", "target", "teachers", "start", "classes", "x"]
    )
    values = st.sampled_from(
        ['"a"', '["cnn-48k"]', "[0, 1]", '"quick"', "3", '"votes"', '"-"', "-1", "{}", "[]", "true"]
    )
    stage = st.dictionaries(keys, values, max_size=3).map(
        lambda own: (
            "[[stage]]\n" + "\n".join(f"{k} = {v}" for k, v in ({"name": '"a"', "models": '["cnn-48k"]'} | own).items())
        )
    )
    return st.lists(stage, max_size=2).map(lambda stages: "\n".join(stages).encode())


def tensors() -> st.SearchStrategy[bytes]:
    whole = weights_of("cnn-48k")
    sound = st.text(max_size=4).map(lambda note: json.dumps({"model": "cnn-48k", "note": note}))
    about = sound | st.sampled_from(["{}", "[]", "x", '{"model": 1}'])
    return st.builds(
        lambda lost, text: safetensors.torch.save(dict(list(whole.items())[lost:]), {"network": text}),
        st.sampled_from([0, 0, 1]), about,
    )  # fmt: skip


def weights_of(model: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in zoo.build(model).state_dict().items() if "num_batches" not in name}


def records() -> st.SearchStrategy[bytes]:
    values = st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2))
    changed = st.dictionaries(st.sampled_from(list(SOUND_RECORD)) | st.text(max_size=3), values, max_size=1)
    return changed.map(lambda content: json.dumps(SOUND_RECORD | content).encode())


def npz(found: dict[str, Any]) -> bytes:
    return saved(lambda file: np.savez(file, **found))


def npy(array: np.ndarray) -> bytes:
    return saved(lambda file: np.save(file, array))


def answers(rows: Iterable[int]) -> bytes:
    return b"row,label\n" + b"".join(b"%d,%d\n" % (row, row) for row in rows)


def seeded(seed: int) -> bytes:
    return STUDY.replace(b"[0", b"[%d" % seed)


def described(text: bytes) -> bytes:
    """The ONNX file with a text in its field `doc_string`."""
    assert ONNX
    return ONNX.read_bytes() + bytes([0x32, len(text)]) + text


def checkpoint(without: str = "", epoch: int = 0) -> bytes:
    content = {name: {"a": torch.full((3,), epoch)} for name in RESUMED - {without}}
    return saved(lambda file: torch.save(content, file))


def votes(numbers: Iterable[int] = (1,) * 10) -> bytes:
    names = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt", "unknown", "NF")
    table = pd.DataFrame({"Usage": ["Training"]} | {name: [n] for name, n in zip(names, numbers, strict=True)})
    return table.to_csv(index=False).encode()


def parquet(table: pd.DataFrame) -> bytes:
    return saved(lambda file: pyarrow.parquet.write_table(pa.Table.from_pandas(table, preserve_index=False), file))


def arrow(table: pd.DataFrame) -> bytes:
    content = pa.Table.from_pandas(table, preserve_index=False)

    def write(file: io.BytesIO) -> None:
        with pa.ipc.new_stream(file, content.schema) as stream:
            stream.write_table(content)

    return saved(write)


CSV = (",".join(["emotion", "pixels"]) + "\n" + "".join(f"{i},{pixels(x)}\n" for i, x in enumerate(FIRST))).encode()
TABLE = pd.DataFrame({"image": map(png, FIRST), "emotion": range(3)})
ONNX = bundled_onnx("compact-46k.ferplus")
assert ONNX
EPOCHS = st.integers(0, 999)
# By kind: a sound file to damage, and files that could be sound.
FILES: dict[str, tuple[bytes, st.SearchStrategy[bytes]]] = {
    "csv": (CSV, csvs()),
    "zip": (zipped(CSV), csvs().map(zipped)),
    "parquet": (parquet(TABLE), tables().map(parquet)),
    "arrow": (arrow(TABLE), tables().map(arrow)),
    "npz": (npz({"x": FIRST, "y": np.arange(3)}), arrays().map(npz)),
    "npy": (npy(FIRST), arrays().map(lambda found: npy(next(iter(found.values()))))),
    "picture": (png(np.pad(FIRST[0], 20)), pictures()),
    "votes": (votes(), st.lists(st.integers(-1, 300), min_size=10, max_size=10).map(votes)),
    "answers": (answers(range(7)), st.permutations(range(7)).map(answers)),
    "study": (STUDY, studies() | st.integers(0, 9999).map(seeded)),
    "run.json": (json.dumps(SOUND_RECORD).encode(), records()),
    "weights": (safetensors.torch.save(weights_of("cnn-48k"), {"network": '{"model": "cnn-48k"}'}), tensors()),
    "onnx": (ONNX.read_bytes(), st.binary(max_size=9).map(described)),
    "resume": (checkpoint(), st.builds(checkpoint, st.sampled_from(["", *sorted(RESUMED)]) | st.just(""), EPOCHS)),
}  # fmt: skip


def record(path: Path) -> object:
    path.replace(path.with_name("run.json"))
    found = read_record(path.parent)
    if found is None:
        raise InputError("damaged")
    return found


def resume(path: Path) -> object:
    found = _read_resume(path, torch.device("cpu"))
    if found is None:
        raise InputError("damaged")
    return found


def score(path: Path) -> object:
    test = FaceSet(FACES.images, FACES.labels, np.full(7, "PublicTest"))
    return read_answers(path, test, "PublicTest")


READERS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(("csv", "zip", "parquet", "arrow", "npz", "npy"), read),
    "picture": lambda path: read_picture(path, str(path)),
    "votes": read_votes,
    "answers": score,
    "study": read_study,
    "run.json": record,
    "weights": weights.load_weights,
    "onnx": open_onnx,
    "resume": resume,
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.filterwarnings("ignore")  # a warning is an answer, too
def test_a_file_of_any_bytes_is_read_or_refused(kind: str, tmp_path: Path) -> None:
    tried, path, (sound, likely) = [], tmp_path / "file", FILES[kind]

    @settings(
        max_examples=EXAMPLES, deadline=timedelta(seconds=MOST_SECONDS), derandomize=EXAMPLES < 1000, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.one_of(damaged(sound), likely, st.binary(max_size=200)))
    def reads(content: bytes) -> None:
        path.write_bytes(content)
        try:
            READERS[kind](path)
            tried.append(True)
        except (InputError, *UNREADABLE):  # `load` makes one of the other
            tried.append(False)

    with little_memory():
        reads()
    assert np.mean(tried) >= LEAST_SUCCESS


def test_a_small_file_cannot_fill_the_memory(tmp_path: Path) -> None:
    line = b"0," + b"0 " * (8 << 20)
    many = pa.table(
        {"image": pa.array([0] * 2_000_000).dictionary_encode().cast(pa.int64()), "emotion": [0] * 2_000_000}
    )
    header = saved(lambda file: np.lib.format.write_array_header_1_0(
        file, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 48, 48)}
    ))  # fmt: skip
    bombs = {
        "line.zip": zipped(b"emotion,pixels\n" + line * 4),
        "header.zip": zipped(b"emotion," + b"x" * (64 << 20)),
        "rows.parquet": saved(lambda file: pyarrow.parquet.write_table(many, file)),
        "shape.npy": header + bytes(100),
        "large.png": saved(lambda file: Image.new("1", (20_000, 20_000)).save(file, "png")),
    }
    with little_memory():
        for name, content in bombs.items():
            (tmp_path / name).write_bytes(content)
            with pytest.raises(InputError):
                read_picture(tmp_path / name, name) if name.endswith("png") else load(tmp_path / name)
