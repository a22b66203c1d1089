import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_output
from papermill.exceptions import PapermillExecutionError

from fer_utils.analysis.published import ORIGINAL
from fer_utils.data.faces import FaceSet
from fer_utils.document import execute, parameters
from fer_utils.document.build import defaults
from fer_utils.document.combine import combine
from fer_utils.document.export import TypstPDFExporter
from fer_utils.errors import FerError, InputError
from fer_utils.models.zoo import MODELS
from fer_utils.report.outputs import METADATA
from fer_utils.training.study import split_names
from tests.analysis.test_summary import table_of
from tests.conftest import ROOT

FIXTURES = ROOT / "tests" / "notebooks"
GOOD = {
    "data": "demo", "models": "cnn-48k", "seeds": "0", "recipe": "quick", "epochs": 1, "device": "auto",
    "runs_dir": "runs", "teachers": "", "language": "en",
}  # fmt: skip


def test_good_parameters_pass() -> None:
    parameters.check_parameters(GOOD)
    parameters.check_parameters({**GOOD, "seeds": 0})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epoch": 3}, "unknown parameter 'epoch'.*'epochs'.* data, models, "),
        ({"epochs": "3"}, "parameter epochs is '3', of type str; allowed is int"),
        ({"epochs": True}, "parameter epochs is True, of type bool"),
        ({"data": 7}, "parameter data is 7, of type int; allowed is str"),
        ({"seeds": [0, 1]}, r"parameter seeds is \[0, 1\], of type list; allowed is str or int"),
        ({"language": "xx"}, "unknown language 'xx'"),
        ({"budgets": "5k"}, "unknown budget '5k'"),
        ({"budgets": " ,"}, "budgets ' ,' names none: allowed are 10k, 20k"),
    ],
)
def test_wrong_parameters_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameters.check_parameters({**GOOD, **wrong})


def test_a_failing_notebook_is_kept_for_reading_and_never_typeset(tmp_path: Path) -> None:
    with pytest.raises(FerError, match=r"fails\.ipynb, cell 3: ValueError: on purpose\. See .*out\.failed\.ipynb"):
        execute.execute(FIXTURES / "fails.ipynb", tmp_path / "out.ipynb", {})
    assert [path.name for path in tmp_path.iterdir()] == ["out.failed.ipynb"]
    failed = nbformat.read(tmp_path / "out.failed.ipynb", as_version=4)
    with pytest.raises(FerError, match="ValueError: on purpose"):
        TypstPDFExporter().from_notebook_node(failed)


def test_a_kernel_that_is_killed_is_a_line(tmp_path: Path) -> None:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os; os.kill(os.getpid(), 9)")])
    nb.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(nb, tmp_path / "dies.ipynb")
    with pytest.raises(FerError, match=r"dies\.ipynb: its kernel was killed \(out of memory\?\)"):
        execute.execute(tmp_path / "dies.ipynb", tmp_path / "out.ipynb", {})
    assert [path.name for path in tmp_path.iterdir()] == ["dies.ipynb"]


def test_a_notebook_works_with_papermill_alone(csv_file: Path, tmp_path: Path, faces: FaceSet) -> None:
    parameters = {"data": str(csv_file), "runs_dir": str(tmp_path / "runs")}
    nb = papermill.execute_notebook(
        FIXTURES / "study.ipynb", tmp_path / "out.ipynb", parameters, progress_bar=False, log_output=False
    )
    assert nb.cells[-1].outputs[0]["data"]["text/plain"] == "['cnn-48k']"
    runs = list((tmp_path / "runs").glob("cnn-48k.fer2013_quick-1_seed-0_*/run.json"))
    assert len(runs) == 1
    assert faces.fingerprint in runs[0].read_text()


def test_an_unknown_name_that_papermill_injects_is_refused_before_anything_runs(tmp_path: Path) -> None:
    parameters = {"budgets": 3, "runs_dir": str(tmp_path / "runs")}  # a parameter of another notebook
    with pytest.raises(PapermillExecutionError, match=r"unknown parameter 'budgets'.* data, models, .* language"):
        papermill.execute_notebook(FIXTURES / "study.ipynb", tmp_path / "out.ipynb", parameters, progress_bar=False)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("path", execute.sources(), ids=lambda path: path.stem)
def test_the_projects_notebooks_are_thin_and_clean(path: Path) -> None:
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    source = "\n".join(cell.source for cell in code)
    assert len([line for line in source.splitlines() if line.strip() and not line.startswith("#")]) <= 40
    assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(ast.parse(source)))
    prose = "".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    prose = re.sub(r"\$[^$]+\$|`[^`]+`|FER2013|questions 2 and 3", "", prose)  # formulas, code and names
    assert not re.search(r"\d", prose)


@pytest.mark.parametrize("path", execute.sources(), ids=lambda path: path.stem)
def test_every_parameter_of_a_notebook_has_type_and_help(path: Path) -> None:
    found = papermill.inspect_notebook(str(path))
    assert list(found) == [name for name in parameters.PARAMETERS if name in found]
    for parameter in found.values():
        assert parameter["inferred_type_name"] in ("str", "int")
        assert parameter["help"]
    parameters.check_parameters(defaults(path))
    assert set(split_names(defaults(path)["models"])) <= set(MODELS)


def test_the_notebooks_between_them_use_all_of_the_homeworks_models() -> None:
    given = {model for path in execute.sources() for model in split_names(defaults(path)["models"])}
    assert given == set(ORIGINAL.model)


def test_budgets_name_nets_of_equal_size() -> None:
    assert parameters.ablation_models("") == []
    assert parameters.ablation_models("46k") == ["cnn4fc-46k", "cnn8fc-46k", "cnn8-46k", "narrow8-9k", "separable8-46k"]
    with pytest.raises(InputError, match=r"unknown budget '47k'.* 10k, 20k, 46k"):
        parameters.ablation_models("20k,47k")


def test_ones_own_answer_comes_before_the_generated_one() -> None:
    nb = nbformat.read(execute.sources()[1], as_version=4)
    assert "cells" in nb
    (own,) = (cell for cell in nb.cells if "your-answer" in cell.metadata.get("tags", []))
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.execution_count = 1
    table = table_of({"mobilenet-46k": 0.6})
    (answer,) = (cell for cell in nb.cells if "answer" in cell.metadata.get("tags", []))
    answer.outputs = [new_output("display_data", {}, metadata={METADATA: {"text": "It grows."}})]
    assert "Your answer" not in str(combine([nb], table, "en").cells)
    own.source = "The largest one wins."
    sources = [cell.source for cell in combine([nb], table, "en").cells]
    first, *_, last = (sources.index(text) for text in sources if "wins." in text or "It grows." in text)
    assert sources[first] == "The largest one wins."
    assert sources[last].startswith("It grows.")
    assert not any("Things to try" in source for source in sources)
