"""Export trained networks to ONNX files, in float32 or quantized.

The files need no PyTorch and include the preprocessing. Input `faces`: gray levels, uint8 `(N, 48, 48)`. Output
`logits`: float32 `(N, C)`, in the order of `classes` in the metadata. Quantization is ONNX Runtime's
(onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from fer_utils.data.augment import to_input
from fer_utils.data.faces import SIDE_PX
from fer_utils.errors import InputError, check_name
from fer_utils.files import atomic_write
from fer_utils.models.weights import Trained

# int8: 8-bit weights, activations quantized dynamically. int8-static: activation ranges calibrated on Training faces.
FORMATS = ("onnx", "int8", "int8-static")
SUFFIX = ".onnx"
CALIBRATION_FACES = 1024
CALIBRATION_BATCH = 16


class PixelNet(nn.Module):
    """A network with its preprocessing: uint8 `(N, 48, 48)` -> logits `(N, C)`."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, faces: Tensor) -> Tensor:
        """Logits of faces."""
        return self.net(to_input(faces))


def export(trained: Trained, files: Mapping[str, Path], faces: np.ndarray | None = None) -> None:
    """Write a network as ONNX files, atomically; `files` maps `FORMATS` to paths.

    `faces` calibrate `int8-static`: Training faces, uint8 `(N, 48, 48)`. Raises `InputError` for an unknown format, a
    path with another suffix, or missing faces.
    """
    for format, path in files.items():
        check_name("format", format, FORMATS)
        if path.suffix != SUFFIX:
            raise InputError(f"{path}: the name must end in {SUFFIX}")
    if "int8-static" in files and faces is None:
        raise InputError("int8-static is calibrated on Training faces: give --data")
    with TemporaryDirectory() as folder:
        full = Path(folder) / "full.onnx"
        _export_full(trained.net, full)  # takes seconds, the rest tenths
        for format, path in files.items():
            file = full if format == "onnx" else _quantize(full, None if format == "int8" else faces)
            atomic_write(path, _stripped(file, trained))


def _export_full(net: nn.Module, path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is missing
    logging.getLogger("onnxscript").setLevel(logging.ERROR)  # it lists the constants that it does not fold
    faces = torch.zeros(2, SIDE_PX, SIDE_PX, dtype=torch.uint8)
    # Inference makes weights channels-last, and that graph is larger.
    plain = copy.deepcopy(net).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's exporter warns about its own code
        torch.onnx.export(
            PixelNet(plain).eval(), (faces,), path, input_names=["faces"], output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip


def _quantize(full: Path, faces: np.ndarray | None) -> Path:
    """Quantize a file, statically if there are `faces`; return the new file."""
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    fused, path = full.with_name("fused.onnx"), full.with_name("quantized.onnx")
    quant_pre_process(str(full), str(fused))
    if faces is None:
        quantize_dynamic(fused, path, weight_type=QuantType.QUInt8)
    else:
        # 7-bit weights, because sums of 8-bit products overflow on CPUs without VNNI. For unsigned activations and the
        # mean of the batches' ranges, see figures/EXPERIMENTS.md.
        quantize_static(
            fused, path, _Calibration(faces), per_channel=True, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, reduce_range=True, extra_options={"CalibMovingAverage": True},
        )  # fmt: skip
    return path


class _Calibration:
    """Calibration faces for ONNX Runtime, always the same sample."""

    def __init__(self, faces: np.ndarray):
        chosen = np.random.default_rng(0).permutation(len(faces))[:CALIBRATION_FACES]
        self.batches: Iterator[np.ndarray] = iter(
            np.array_split(faces[chosen], max(len(chosen) // CALIBRATION_BATCH, 1))
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch as input of the network; None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"faces": batch}


def _stripped(path: Path, trained: Trained) -> bytes:
    """The file without debug information, and with short names of tensors.

    Otherwise these would outweigh the weights of a small network.
    """
    import onnx

    file = onnx.load(path)
    graph = file.graph
    for part in (graph, *graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    ends = {value.name: value.name for value in (*graph.input, *graph.output)}
    names = ends | {"": ""}  # an input that is left out has no name
    for tensor in graph.initializer:
        tensor.name = names.setdefault(tensor.name, str(len(names)))
    for node in graph.node:
        node.name = ""
        node.input[:] = [names.setdefault(each, str(len(names))) for each in node.input]
        node.output[:] = [names.setdefault(each, str(len(names))) for each in node.output]
    del file.metadata_props[:]
    about = {"model": trained.model, "classes": ",".join(trained.classes), "weights": trained.digest}
    onnx.helper.set_model_props(file, about)
    return file.SerializeToString()
