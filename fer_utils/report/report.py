"""The report from end to end: train what is missing, run the notebooks, typeset."""

import ast
from pathlib import Path
from typing import Any

import pandas as pd
import papermill

from fer_utils.data.ferplus import majorities
from fer_utils.data.load import load
from fer_utils.errors import InputError
from fer_utils.files import write_whole
from fer_utils.report import execute, export, notebooks
from fer_utils.report.analysis import summarize
from fer_utils.report.merge import merge
from fer_utils.training.study import listed, train_study, whole_numbers


def defaults(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook with their defaults."""
    found = papermill.inspect_notebook(str(notebook))
    return {name: ast.literal_eval(parameter["default"]) for name, parameter in found.items()}


def make_report(
    data: str = "demo",
    recipe: str = "quick",
    language: str = "en",
    out: Path = Path("report.pdf"),
    seeds: str = "0",
    epochs: int | None = None,
    device: str = "auto",
    runs_dir: Path = Path("runs"),
    figures_dir: Path | None = None,
    *,
    budgets: str | None = None,
    budget_seeds: str = "0",
    budget_epochs: int | None = None,
    ferplus: str = "",
) -> list[Path]:
    """Write the report as PDF to `out` and as HTML beside it, and return what was written.

    Everything is checked before anything runs. Finished runs and notebooks are taken as they are. `budgets` are those
    of the nets of equal size, if not the notebook's own, which are trained with seeds and epochs of their own, and
    `ferplus` is the path of FER+'s votes. With `figures_dir` the figures go there as well, and the results:
    `report-runs.csv`, a row a run, and `report-results.csv`, a row a model.
    """
    if out.suffix != ".pdf":
        raise InputError(f"--out {out}: the name of a PDF ends with .pdf")
    parameters = {
        "data": data if data == "demo" else str(Path(data).expanduser().resolve()),
        "seeds": seeds,
        "recipe": recipe,
        "epochs": epochs or 0,
        "device": device,
        "runs_dir": str(runs_dir.resolve()),
        "language": language,
        "budget_seeds": budget_seeds,
        "budget_epochs": budget_epochs or 0,
        "ferplus": ferplus and str(Path(ferplus).expanduser().resolve()),
    } | ({} if budgets is None else {"budgets": budgets})
    notebooks.check_parameters(parameters)
    whole_numbers(budget_seeds)
    if ferplus:
        majorities(load(data), ferplus)
    sources = execute.sources()
    # All runs of all notebooks at once, so that they go side by side; the notebooks find them finished.
    given = [defaults(source) | parameters for source in sources]
    models = list(dict.fromkeys(model for each in given for model in listed(each["models"])))
    table = train_study(data, models, whole_numbers(seeds), recipe, epochs, device, runs_dir)
    if nets := [net for each in given for net in notebooks.nets_of(each.get("budgets", ""))]:
        few = budget_epochs or epochs
        equals = train_study(data, nets, whole_numbers(budget_seeds), recipe, few, device, runs_dir)
        table = pd.concat([table, equals], ignore_index=True)
    executed = execute.run_all(sources, parameters, table, runs_dir / "notebooks")
    written = export.write_report(merge(executed, table, language), out)
    if figures_dir:
        export.write_figures(executed, figures_dir)
        write_whole(figures_dir / "report-runs.csv", table.drop(columns="run").to_csv(index=False))
        write_whole(figures_dir / "report-results.csv", summarize(table).to_csv(index=False))
    return written
