"""Build the report: train missing runs, run the notebooks, typeset."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import papermill

from fer_utils.analysis.published import ORIGINAL
from fer_utils.analysis.summary import summarize
from fer_utils.data.load import load
from fer_utils.document import execute, export
from fer_utils.document.combine import answers, combine
from fer_utils.document.parameters import (
    NEEDED,
    PUBLISHED,
    UNTRAINED,
    ablation_study,
    check_parameters,
    people_study,
    study,
)
from fer_utils.errors import InputError
from fer_utils.files import atomic_write
from fer_utils.models.bundled import bundled
from fer_utils.report.fonts import check_glyphs
from fer_utils.training.study import split_names, whole_numbers

DEMO_MODELS = ("vgg-1.9m", "mobilenet-112k", "mobilenet-46k", "cnn-103k", "cnn-48k")  # what takes longest comes first
DEMO_EPOCHS = 1


def defaults(notebook: Path) -> dict[str, Any]:
    """The parameters of a notebook with their defaults."""
    found = papermill.inspect_notebook(str(notebook))
    try:
        return {name: ast.literal_eval(parameter["default"]) for name, parameter in found.items()}
    except (SyntaxError, ValueError) as error:  # papermill ends a value where it sees a #
        raise InputError(f"{notebook.name}: a parameter is not a plain value, or contains a # ({error})") from None


def make_report(
    out: Path = Path("report.pdf"), figures_dir: Path | None = None, author: str = "", **given: Any
) -> list[Path]:
    """Write the report as PDF to `out` and as HTML next to it; return the files.

    `given` overrides the notebooks' parameters, except where it is None. All input is checked before anything runs.
    Finished runs and notebooks are reused. With `figures_dir`, figures are written there, and `report-runs.csv` (one
    row per run), `report-results.csv` (one row per model and training setup) and `report-answers.md`.
    """
    if out.suffix != ".pdf":
        raise InputError(f"--out {out}: the name of a PDF ends with .pdf")
    sources = execute.sources()
    parameters = [_parameters(source, given) for source in sources]
    questions = [each for each in parameters if "target" not in each]  # all but the one on people
    data = _common(questions, "data")
    language, runs_dir = (_common(parameters, name) for name in ("language", "runs_dir"))
    check_glyphs(author + ("" if data == PUBLISHED else load(data, classes=_common(parameters, "classes")).name))
    for source in sources:
        export.check_markdown(nbformat.read(source, as_version=4), execute.NOTEBOOKS)
    table = _train(parameters if data == PUBLISHED else questions)
    executed = execute.run_all(sources, parameters, table, Path(runs_dir) / "notebooks")
    written = export.write_report(combine(executed, table, language, author), out, execute.NOTEBOOKS)
    if figures_dir:
        export.write_figures(executed, figures_dir)
        atomic_write(figures_dir / "report-runs.csv", table.drop(columns="run").to_csv(index=False))
        atomic_write(figures_dir / "report-results.csv", summarize(table).to_csv(index=False))
        atomic_write(figures_dir / "report-answers.md", answers(executed))
    return written


def _parameters(source: Path, given: dict[str, Any]) -> dict[str, Any]:
    """A notebook's parameters with those given, checked, and with absolute paths."""
    own = defaults(source)
    if missing := NEEDED - own.keys():
        raise InputError(f"{source.name}: its cell tagged `parameters` lacks {', '.join(sorted(missing))}")
    chosen = own | {name: value for name, value in given.items() if name in own and value is not None}
    if chosen["data"] == "demo" and "target" not in own:
        chosen |= {name: value for name, value in _demo(own).items() if value and given.get(name) is None}
    if chosen["data"] == PUBLISHED and "target" in own:  # the notebook on people trains nothing beside others that do
        chosen |= {name: own[name] for name in UNTRAINED}
    check_parameters(chosen)
    for name in ("seeds", "budget_seeds"):
        if chosen.get(name, "") != "":
            whole_numbers(str(chosen[name]))
    for name in ("data", "runs_dir"):
        if chosen.get(name, "demo") not in ("", "demo", PUBLISHED):
            chosen[name] = str(Path(chosen[name]).expanduser().resolve())
    return chosen | {"teachers": ",".join(map(_whole_path, split_names(chosen["teachers"])))}


def _demo(own: dict[str, Any]) -> dict[str, Any]:
    """What a notebook trains on drawn faces unless asked for more: they decide nothing, so minutes must be enough."""
    asked = split_names(own["models"])
    few = [model for model in DEMO_MODELS if model in asked]
    models = few if set(asked) <= set(ORIGINAL.model) else []  # other models are a person's choice
    return {"models": ",".join(models), "epochs": own["epochs"] or DEMO_EPOCHS}


def _whole_path(teacher: str) -> str:
    """The absolute path of a teacher that is a file or folder; else its name."""
    path = Path(teacher).expanduser()
    return str(path.resolve()) if path.exists() and not bundled(teacher) else teacher


def _common(parameters: list[dict[str, Any]], name: str) -> str:
    """The value of a parameter that must be the same in all notebooks."""
    if len(values := {each[name] for each in parameters}) > 1:
        raise InputError(f"the notebooks have different {name}: {', '.join(sorted(values))}. Give one to `fer report`")
    return values.pop()


def _train(parameters: list[dict[str, Any]]) -> pd.DataFrame:
    """Train all runs that the notebooks ask for; return the results table.

    The last notebook comes first. It asks for all models, which then train in parallel.
    """
    tables = [study(**each) for each in reversed(parameters) if "target" not in each]
    tables += [ablation_study(**each) for each in parameters if each.get("budgets")]
    tables += [people_study(**each) for each in parameters if each["data"] == PUBLISHED and "target" in each]
    return pd.concat(tables).drop_duplicates("run", ignore_index=True)
