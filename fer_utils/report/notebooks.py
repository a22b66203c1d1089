"""Notebooks as programs: check their parameters, run them with papermill, and keep what has run."""

import ast
import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
from filelock import FileLock
from IPython.core.getipython import get_ipython
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from fer_utils.errors import FerError, InputError, unknown
from fer_utils.files import PACKAGE, code_version
from fer_utils.report.answers import sentences
from fer_utils.training.study import listed, train_study, whole_numbers

NOTEBOOKS = PACKAGE.parent / "notebooks"  # the package is used from the project's folder
PARAMETERS: dict[str, tuple[type, ...]] = {
    "data": (str,),
    "models": (str,),
    "seeds": (str, int),  # papermill makes a number of "0", not of "0,1"
    "recipe": (str,),
    "epochs": (int,),
    "device": (str,),
    "runs_dir": (str,),
    "language": (str,),
}


# ---- inside a notebook ----


def study(**parameters: Any) -> pd.DataFrame:
    """Check the parameters of a notebook, train what is missing of its runs, and return the results table.

    Relative paths start at the project's folder, also where the notebook runs in `notebooks/`. Raises `InputError` for
    a wrong type and for an unknown name, also one that papermill injected and the notebook does not know.
    """
    shell = get_ipython()
    check_parameters(parameters, _injected(shell.user_ns["In"]) if shell else ())
    base = Path("..") if Path.cwd().name == "notebooks" else Path()
    data = parameters["data"]
    return train_study(
        data if data == "demo" else str(base / Path(data).expanduser()),
        listed(parameters["models"]),
        whole_numbers(str(parameters["seeds"])),
        parameters["recipe"],
        parameters["epochs"] or None,
        parameters["device"],
        base / parameters["runs_dir"],
    )


def check_parameters(parameters: Mapping[str, Any], injected: Iterable[str] = ()) -> None:
    """Refuse unknown names, wrong types and unknown languages."""
    for name in [*parameters, *injected]:
        if name not in PARAMETERS:
            raise unknown("parameter", name, PARAMETERS)
    for name, value in parameters.items():
        if type(value) not in PARAMETERS[name]:
            allowed = " or ".join(kind.__name__ for kind in PARAMETERS[name])
            raise InputError(f"parameter {name} is {value!r}, of type {type(value).__name__}; allowed is {allowed}")
    sentences(parameters["language"])


def _injected(cells: list[str]) -> list[str]:
    """The names in the cell that papermill injects, among all cells that have run."""
    trees = [ast.parse(cell) for cell in cells if cell.startswith("# Parameters\n")]
    assignments = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    return [target.id for node in assignments for target in node.targets if isinstance(target, ast.Name)]


# ---- outside: run them ----


def models_of(notebook: Path) -> list[str]:
    """The models that a notebook trains unless it is told otherwise."""
    return listed(ast.literal_eval(papermill.inspect_notebook(str(notebook))["models"]["default"]))


def sources() -> list[Path]:
    """The project's notebooks, in the order of their questions."""
    found = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not found:
        raise FerError(f"no notebooks in {NOTEBOOKS}: is the project complete?")
    return found


def run_all(paths: list[Path], parameters: dict[str, Any], table: pd.DataFrame, folder: Path) -> list[NotebookNode]:
    """Run notebooks, two at a time, and return them with their outputs, in the order given.

    What has run is kept in `folder`, and taken from there while notebook, parameters, results and code are the same.
    Raises `FerError` for a notebook that fails; it is kept as `NAME.failed.ipynb`, to be read and not to be typeset.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # two reports at once wait for each other
        done = _run_missing(paths, parameters, table, folder)
    return [nbformat.read(path, as_version=4) for path in done]


def _run_missing(paths: list[Path], parameters: dict[str, Any], table: pd.DataFrame, folder: Path) -> list[Path]:
    state = json.dumps(parameters, sort_keys=True) + table.to_csv() + code_version()
    done = [folder / f"{source.stem}_{_key(source, state)}.ipynb" for source in paths]
    missing = [(source, path) for source, path in zip(paths, done, strict=True) if not path.exists()]
    if missing:
        log = str(folder / "kernels.log")
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), _send_stderr, (log,)) as pool:
            list(pool.map(execute, *zip(*missing, strict=True), [parameters] * len(missing)))
    return done


def _send_stderr(path: str) -> None:
    """Send what this process and its kernels say of themselves to a file; errors come back as exceptions."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)


def _key(source: Path, state: str) -> str:
    return hashlib.sha256(source.read_bytes() + state.encode()).hexdigest()[:12]


def execute(source: Path, path: Path, parameters: dict[str, Any]) -> None:
    """Run one notebook; `path` appears only when every cell has run. Raises `FerError` if one fails."""
    unfinished, failed = path.with_suffix(".partial.ipynb"), path.with_suffix(".failed.ipynb")
    try:
        papermill.execute_notebook(
            source, unfinished, parameters, progress_bar=False, kernel_name="python3", start_timeout=180
        )
    except PapermillExecutionError as error:
        unfinished.replace(failed)
        raise FerError(
            f"{source.name}, cell {error.cell_index + 1}: {error.ename}: {error.evalue}. See {failed}"
        ) from None
    unfinished.replace(path)
