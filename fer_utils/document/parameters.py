"""The parameters of a notebook: checks, and the runs that they ask for."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.core.getipython import get_ipython

from fer_utils.analysis.comparisons import budgets as published_budgets
from fer_utils.analysis.published import PUBLISHED, published_networks, published_runs, trained_alike
from fer_utils.data.faces import FaceSet
from fer_utils.data.load import load
from fer_utils.errors import InputError, check_name
from fer_utils.models import matched
from fer_utils.models.bundled import bundled
from fer_utils.report.language import labels
from fer_utils.report.live import live_progress
from fer_utils.training.launchers import Job, run_study
from fer_utils.training.study import single_stage, split_names, whole_numbers

PARAMETERS: dict[str, tuple[type, ...]] = {
    "data": (str,),
    "models": (str,),
    "seeds": (str, int),  # papermill turns "0" into an integer; "0,1" stays text
    "recipe": (str,),
    "epochs": (int,),
    "device": (str,),
    "runs_dir": (str,),
    "teachers": (str,),
    "classes": (str,),
    "language": (str,),
    "budgets": (str,),
    "budget_seeds": (str, int),
    "budget_epochs": (int,),
    "target": (str,),
}
UNTRAINED = {
    "recipe": "quick",
    "epochs": 0,
    "device": "auto",
    "teachers": "",
    "classes": "",
}  # values of parameters of training
NEEDED = PARAMETERS.keys() - {"budgets", "budget_seeds", "budget_epochs", "target"}  # in every notebook


def study(**parameters: Any) -> pd.DataFrame:
    """Check a notebook's parameters, train its missing runs, and return the results.

    On `data` "published", nothing is trained: the table has the published runs of the models, trained alike if there
    are such runs. Relative paths start at the working directory, or at its parent if that is `notebooks/`. Raises
    `InputError` for a wrong type or an unknown name, also for one that papermill injected and that is no parameter of
    the notebook.
    """
    _check(parameters)
    models = split_names(parameters["models"])
    if parameters["data"] == PUBLISHED:
        return trained_alike(_selected(published_runs(), parameters), models)
    return _trained(parameters, models)


def _check(parameters: Mapping[str, Any]) -> None:
    """Check a notebook's parameters, and those that papermill injected."""
    check_parameters(parameters)
    if shell := get_ipython():
        check_injected(shell.user_ns["In"])
    for name, own in UNTRAINED.items():
        if parameters["data"] == PUBLISHED and parameters.get(name, own) != own:
            raise InputError(
                f"data {PUBLISHED!r} trains nothing, so {name} {parameters[name]!r} has no effect. Leave it out, or "
                "set `data` to the path of FER2013"
            )


def _selected(table: pd.DataFrame, parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The published runs of the given seeds; all if none are given."""
    if parameters["seeds"] == "":
        return table
    return table[table.seed.isin(whole_numbers(str(parameters["seeds"])))]


def load_faces(data: str, classes: str) -> FaceSet | None:
    """The faces of a notebook's parameter `data`; None if it is "published"."""
    return None if data == PUBLISHED else load(resolve_path(data), classes=classes)


def ablation_study(**parameters: Any) -> pd.DataFrame:
    """Do the same for the ablation at the sizes in `budgets`, from labels; on `data` "published" at all sizes.

    With empty `budgets`, the table is empty.
    """
    check_parameters(parameters)
    models = ablation_models(parameters.get("budgets", ""))
    if not models:
        return pd.DataFrame({"model": []})
    if parameters["data"] == PUBLISHED:
        runs = published_runs()[lambda rows: rows.target == "labels"]
        return runs[runs.model.isin([model for budget in published_budgets(runs) for model in matched.chain(budget)])]
    epochs = parameters.get("budget_epochs") or parameters["epochs"]
    own = {"seeds": parameters.get("budget_seeds", 0), "epochs": epochs, "teachers": ""}
    return _trained({**parameters, **own}, models)


def people_study(**parameters: Any) -> pd.DataFrame:
    """The published runs and, with a path as `data`, those of `models` trained here with `target` on top.

    On `data` "published" or "demo", `models` and `seeds` select published runs; without them, all are taken. Those of
    the ablation are no networks for use, and left out.
    """
    _check(parameters)
    table, models = published_networks(), split_names(parameters["models"])
    if parameters["data"] not in (PUBLISHED, "demo"):
        return pd.concat([_trained(parameters, models), table], ignore_index=True) if models else table
    for model in models:
        check_name("published model", model, table.model.unique())
    found = _selected(table[table.model.isin(models or table.model)], parameters)
    if found.empty:
        raise InputError(f"no published run has the seeds {parameters['seeds']}; some have {sorted(set(table.seed))}")
    return found.reset_index(drop=True)


def _trained(parameters: Mapping[str, Any], models: list[str]) -> pd.DataFrame:
    """Train some models as the parameters say; return the results table."""
    study = single_stage(
        models,
        whole_numbers(str(parameters["seeds"])),
        parameters["recipe"],
        parameters["epochs"] or None,
        teachers=[name if bundled(name) else resolve_path(name) for name in split_names(parameters["teachers"])],
        device=parameters["device"],
        target=parameters.get("target", "labels"),
        classes=parameters.get("classes", ""),
    )
    data, runs_dir = (resolve_path(parameters[name]) for name in ("data", "runs_dir"))
    with live_progress(parameters["language"]) as watch:
        return run_study(study, Job(data, Path(runs_dir), device=parameters["device"], watch=watch))


def resolve_path(path: str) -> str:
    """Resolve a path in a notebook's parameters.

    In `notebooks/`, it starts at the folder above.
    """
    if path in ("", "demo", PUBLISHED):
        return path
    return str((Path("..") if Path.cwd().name == "notebooks" else Path()) / Path(path).expanduser())


def ablation_models(budgets: str) -> list[str]:
    """The models of the ablation for budgets such as "20k,46k"."""
    known = {matched.thousands(budget): budget for budget in matched.BUDGETS}
    names = split_names(budgets)
    if budgets and not names:
        raise InputError(f"budgets {budgets!r} names none: allowed are {', '.join(known)}, or ''")
    for budget in names:
        check_name("budget", budget, known)
    return [model for budget in names for model in matched.chain(known[budget])]


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse unknown names, wrong types and unknown languages."""
    for name in parameters:
        check_name("parameter", name, PARAMETERS)
    for name, value in parameters.items():
        if type(value) not in PARAMETERS[name]:
            allowed = " or ".join(kind.__name__ for kind in PARAMETERS[name])
            raise InputError(f"parameter {name} is {value!r}, of type {type(value).__name__}; allowed is {allowed}")
    labels(parameters["language"])
    ablation_models(parameters.get("budgets", ""))


def check_injected(cells: list[str]) -> None:
    """Refuse an injected name that is no parameter of the notebook."""
    place = next((i for i, cell in enumerate(cells) if cell.startswith("# Parameters\n")), 0)
    own = [name for cell in cells[:place] for name in _assigned(cell)]
    for name in _assigned(cells[place]):
        check_name("parameter", name, own)


def _assigned(cell: str) -> list[str]:
    """The names that a cell assigns at its top level."""
    nodes = ast.parse(cell).body
    targets = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    targets += [node.target for node in nodes if isinstance(node, ast.AnnAssign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]
