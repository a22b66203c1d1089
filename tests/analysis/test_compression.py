from pathlib import Path

from fer_utils.analysis.compression import compressed
from fer_utils.data.faces import FaceSet
from fer_utils.inference.export import FORMATS
from fer_utils.models import weights, zoo
from fer_utils.training.metrics import labelled_part


def test_bytes_and_accuracy_of_every_file_are_its_own(faces: FaceSet, tmp_path: Path) -> None:
    trained = weights.open_model("cnn-48k")
    found = compressed(trained, faces, "PublicTest").set_index("format")
    assert list(found.index) == ["float16", *FORMATS]
    weights.save(trained.net, trained.model, tmp_path / "weights.safetensors")
    assert found.bytes["float16"] == (tmp_path / "weights.safetensors").stat().st_size
    assert found.bytes["int8"] < found.bytes["float16"] < found.bytes["onnx"]
    assert found.accuracy["float16"] == found.accuracy["onnx"]
    part = labelled_part(faces, "PublicTest")
    assert ((found.accuracy * len(part)).round(6) % 1 == 0).all()
    assert (found.milliseconds > 0).all()
    assert set(found.parameters) == {zoo.parameters(trained.net)}
