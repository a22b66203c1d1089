"""Run notebooks with papermill, and cache the executed ones."""

import hashlib
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill
from filelock import FileLock
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from fer_utils.errors import FerError, InputError
from fer_utils.files import PACKAGE, code_version

NOTEBOOKS = PACKAGE / "notebooks"  # in a clone, a link to the folder `notebooks`


def sources() -> list[Path]:
    """The project's notebooks, in the order of their questions."""
    found = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not found:
        raise FerError(f"no notebooks in {NOTEBOOKS}: install fer_utils again")
    for one, other in pairwise(found):
        if (number := one.name.partition("_")[0]) == other.name.partition("_")[0]:
            raise InputError(f"{one.name} and {other.name} in {NOTEBOOKS}: only one may have number {number}")
    return found


def run_all(
    paths: list[Path], parameters: list[dict[str, Any]], table: pd.DataFrame, folder: Path
) -> list[NotebookNode]:
    """Run notebooks with their parameters, two at a time; return them executed.

    Executed notebooks are cached in `folder` until notebook, parameters, results or code change. Raises `FerError` for
    a notebook that fails and keeps it as `NAME.failed.ipynb`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # a second report waits
        done = _run_missing(paths, parameters, table, folder)
    return [nbformat.read(path, as_version=4) for path in done]


def _run_missing(paths: list[Path], parameters: list[dict[str, Any]], table: pd.DataFrame, folder: Path) -> list[Path]:
    state = table.to_csv() + code_version()
    jobs = [
        (source, folder / f"{source.stem}_{_key(source, given, state)}.ipynb", given)
        for source, given in zip(paths, parameters, strict=True)
    ]
    if missing := [job for job in jobs if not job[1].exists()]:
        log = str(folder / "kernels.log")
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), _send_stderr, (log,)) as pool:
            list(pool.map(execute, *zip(*missing, strict=True)))
    return [path for _, path, _ in jobs]


def _send_stderr(path: str) -> None:
    """Redirect stderr of this process and its kernels to a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)


def _key(source: Path, parameters: dict[str, Any], state: str) -> str:
    decides = json.dumps(parameters, sort_keys=True) + state
    return hashlib.sha256(source.read_bytes() + decides.encode()).hexdigest()[:12]


def execute(source: Path, path: Path, parameters: dict[str, Any]) -> None:
    """Run one notebook; `path` appears only when every cell has run.

    Raises `FerError` if a cell fails.
    """
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
    except DeadKernelError:
        unfinished.unlink(missing_ok=True)
        raise FerError(f"{source.name}: its kernel was killed (out of memory?). Finished runs are kept") from None
    unfinished.replace(path)
