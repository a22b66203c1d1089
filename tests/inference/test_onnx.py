import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fer_utils.data.demo import draw
from fer_utils.data.faces import CLASSES
from fer_utils.data.votes import VOTE_CLASSES
from fer_utils.errors import InputError
from fer_utils.inference.export import FORMATS, PixelNet, export
from fer_utils.inference.onnx import open_onnx
from fer_utils.models.weights import Trained, open_model
from fer_utils.models.zoo import build, parameters
from fer_utils.training.metrics import recognizer

FACES = draw(np.arange(140) % 7, np.random.default_rng(0))


def exported(name: str, folder: Path) -> dict[str, Path]:
    """A net that ships, in every format."""
    files = {format: folder / f"{format}.onnx" for format in FORMATS}
    export(open_model(name), files, FACES)
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The smallest net that ships, which is separable."""
    return exported("compact-46k", tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def dense_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The smallest network without depthwise convolutions."""
    return exported("cnn-48k", tmp_path_factory.mktemp("export"))


def test_the_file_says_what_the_net_says(files: dict[str, Path]) -> None:
    read = open_onnx(files["onnx"])
    assert (read.model, read.classes) == ("compact-46k", CLASSES)
    with torch.inference_mode():
        expected = PixelNet(open_model(read.model).net)(torch.from_numpy(FACES)).numpy()
    np.testing.assert_allclose(read(FACES), expected, atol=1e-4)
    np.testing.assert_allclose(read(FACES[:1]), expected[:1], atol=1e-4)
    (at_once,) = onnxruntime.InferenceSession(files["onnx"]).run(["logits"], {"faces": FACES})
    np.testing.assert_allclose(at_once, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("net", "format", "share"),
    [
        ("files", "int8", 0.4),
        ("files", "int8-static", 0.55),
        ("dense_files", "int8", 0.4),
        ("dense_files", "int8-static", 0.4),
    ],
)
def test_eight_bits_say_nearly_the_same_in_fewer_bytes(
    net: str, format: str, share: float, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(net)
    full = open_onnx(found["onnx"])
    small = open_onnx(found[format])
    assert (full(FACES).argmax(1) == small(FACES).argmax(1)).mean() > 0.9
    assert found[format].stat().st_size < share * found["onnx"].stat().st_size


def test_eight_bits_take_little_more_than_a_byte_a_parameter(
    files: dict[str, Path], dense_files: dict[str, Path]
) -> None:
    assert dense_files["int8"].stat().st_size < 1.3 * parameters(build("cnn-48k"))
    assert files["int8"].stat().st_size < 1.5 * parameters(build("compact-46k"))


def test_products_of_eight_bits_do_not_overflow(files: dict[str, Path], dense_files: dict[str, Path]) -> None:
    # A CPU without VNNI adds two products in 16 bits with a sign.
    for found in (files, dense_files):
        graph = onnx.load(found["int8-static"]).graph
        values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        widest = max(np.abs(value.astype(int)).max() for value in values.values() if value.dtype == np.int8)
        zeros = {values[node.input[2]].dtype for node in graph.node if node.op_type == "QuantizeLinear"}
        assert zeros == {np.dtype(np.uint8)}
        assert 0 < 2 * widest * 255 < 2**15


def test_the_file_of_a_separable_net_hardly_flips_maps(files: dict[str, Path]) -> None:
    # Flipping took longer than filtering: a face took compact-46k 1.7 ms, and 0.9 without. The first two convolutions
    # are dense, and flip what they read and what they find.
    steps = [node.input[4] for node in onnx.load(files["onnx"]).graph.node if node.op_type == "Slice"]
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(files["onnx"]).graph.initializer}
    assert sum(bool((values[step] < 0).all()) for step in steps) == 4


def test_the_file_reads_many_faces_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = open_model("mobilenet-46k")
    net = trained.net.train()
    export(trained, {"onnx": tmp_path / "net.onnx"})
    assert net.training  # as it was
    # What the exporter says of its own parts is no news to a person.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    (found,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(["logits"], {"faces": FACES[:5]})
    with torch.inference_mode():
        np.testing.assert_allclose(found, PixelNet(net).eval()(torch.from_numpy(FACES[:5])).numpy(), atol=1e-4)


def test_a_net_that_has_read_faces_gives_the_same_file(tmp_path: Path) -> None:
    trained = open_model("mobilenet-46k")
    export(trained, {"onnx": tmp_path / "before.onnx"})
    recognizer(trained, torch.device("cpu"))(FACES[:1])
    export(trained, {"onnx": tmp_path / "after.onnx"})
    assert (tmp_path / "before.onnx").read_bytes() == (tmp_path / "after.onnx").read_bytes()


def test_a_network_of_eight_classes_says_so_in_its_file(tmp_path: Path) -> None:
    export(Trained("cnn-48k", VOTE_CLASSES, build("cnn-48k", classes=8)), {"onnx": tmp_path / "net.onnx"})
    read = open_onnx(tmp_path / "net.onnx")
    assert (read.model, read.classes, read(FACES[:2]).shape) == ("cnn-48k", VOTE_CLASSES, (2, 8))


def test_what_cannot_be_done_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    trained = open_model("compact-46k")
    with pytest.raises(InputError, match=r"unknown format 'tflite'\. Known: onnx, int8, int8-static"):
        export(trained, {"tflite": tmp_path / "x.onnx"})
    with pytest.raises(InputError, match=r"x\.bin: the name must end in \.onnx"):
        export(trained, {"onnx": tmp_path / "x.bin"})
    with pytest.raises(InputError, match="calibrated on Training faces: give --data"):
        export(trained, {"int8-static": tmp_path / "x.onnx"})
    assert not list(tmp_path.iterdir())
    (tmp_path / "bad.onnx").write_text("not a model")
    with pytest.raises(InputError, match="not a readable ONNX file"):
        open_onnx(tmp_path / "bad.onnx")
