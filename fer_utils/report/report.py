"""The report from end to end: train what is missing, run the notebooks, typeset."""

import ast
from pathlib import Path

import papermill

from fer_utils.errors import InputError
from fer_utils.files import write_whole
from fer_utils.report import execute, export, notebooks
from fer_utils.report.analysis import summarize
from fer_utils.training.study import listed, train_study, whole_numbers


def models_of(notebook: Path) -> list[str]:
    """The models that a notebook trains unless it is told otherwise."""
    return listed(ast.literal_eval(papermill.inspect_notebook(str(notebook))["models"]["default"]))


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
) -> list[Path]:
    """Write the report as PDF to `out` and as HTML beside it, and return what was written.

    Everything is checked before anything runs. Finished runs and notebooks are taken as they are. With `figures_dir`
    the figures and the results go there as well, a row a run and a row a model.
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
    }
    notebooks.check_parameters(parameters)
    sources = execute.sources()
    # All runs of all notebooks at once, so that they go side by side; the notebooks find them finished.
    models = list(dict.fromkeys(model for source in sources for model in models_of(source)))
    table = train_study(data, models, whole_numbers(seeds), recipe, epochs, device, runs_dir)
    executed = execute.run_all(sources, parameters, table, runs_dir / "notebooks")
    written = export.write_report(export.merge(executed, table, language), out)
    if figures_dir:
        export.write_figures(executed, figures_dir)
        write_whole(figures_dir / "runs.csv", table.drop(columns="run").to_csv(index=False))
        write_whole(figures_dir / "results.csv", summarize(table).to_csv(index=False))
    return written
