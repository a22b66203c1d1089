"""Networks in ONNX files, which need no PyTorch."""

from pathlib import Path

import numpy as np
import onnxruntime

from fer_utils.errors import InputError
from fer_utils.models.recognizer import Recognizer


def open_onnx(path: Path) -> Recognizer:
    """The network in an ONNX file that `fer export` wrote, on one thread.

    It takes one face at a time: `int8` computes the activation ranges of all faces of a batch together.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # a face is too little work for two
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes, which it does not export
        raise InputError(f"{path}: not an ONNX file that can be read ({error})") from None
    about = session.get_modelmeta().custom_metadata_map
    if not {"model", "classes"} <= about.keys():
        raise InputError(f"{path}: does not say which model it holds; expected a file that `fer export` wrote")

    def read(faces: np.ndarray) -> np.ndarray:
        return np.concatenate([session.run(["logits"], {"faces": faces[i : i + 1]})[0] for i in range(len(faces))])

    return Recognizer(about["model"], tuple(about["classes"].split(",")), read)
