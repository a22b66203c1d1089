"""What a notebook calls: check its parameters, train what is missing, return the results table."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.core.getipython import get_ipython

from fer_utils.errors import InputError, unknown
from fer_utils.report.language import sentences
from fer_utils.training.study import listed, train_study, whole_numbers

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
