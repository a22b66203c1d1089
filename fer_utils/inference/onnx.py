"""Networks in ONNX files, which need no PyTorch."""

from pathlib import Path

import numpy as np
import onnxruntime

from fer_utils.errors import InputError
from fer_utils.models.recognizer import Recognizer


def open_onnx(path: Path) -> Recognizer:
    """Open an ONNX file written by `fer export`, to run on one thread.

    Faces run one at a time, because `int8` computes the activation ranges per batch. Raises `InputError` for any other
    file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # one face is too little work for two
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime does not export its exception classes
        raise InputError(f"{path}: not a readable ONNX file ({error}); give one written by `fer export`") from None
    about = session.get_modelmeta().custom_metadata_map
    if not {"model", "classes"} <= about.keys():
        raise InputError(f"{path}: does not say which model it contains; give one written by `fer export`")

    def read(faces: np.ndarray) -> np.ndarray:
        return np.concatenate([session.run(["logits"], {"faces": faces[i : i + 1]})[0] for i in range(len(faces))])

    return Recognizer(about["model"], tuple(about["classes"].split(",")), read)
