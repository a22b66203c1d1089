"""environment.yml and pyproject.toml ask for the same packages."""

import re
import tomllib
from itertools import chain

import yaml

from tests.conftest import ROOT

CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "typst": "typst-py",
}
CONDA_ONLY = {"pip", "make"}


def conda() -> dict[str, str]:
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines += [line for line in lines.pop()["pip"] if not line.startswith("--editable")]
    return dict(map(_parsed, lines))


def _parsed(line: str) -> tuple[str, str]:
    """The name and the version of a requirement such as `torch>=2.11`."""
    match = re.fullmatch(r"([A-Za-z0-9_-]+)(>=[\d.]+)?", line)
    assert match, line
    return match[1].lower().replace("_", "-"), match[2] or ""


def pip() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {"python": project["requires-python"]}
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    for line in (line for line in lines if not line.startswith("fer_utils[")):
        name, version = _parsed(line)
        found[CONDA_NAMES.get(name, name)] = version
    return found


def test_conda_and_pip_users_get_the_same() -> None:
    asked = conda()
    assert {name: version for name, version in asked.items() if name not in CONDA_ONLY} == pip()


def test_the_constraints_pin_what_pyproject_asks_for() -> None:
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    names = {name.lower().replace("_", "-") for name in pinned}
    asked = {CONDA: pip_name for pip_name, CONDA in CONDA_NAMES.items()}
    assert {asked.get(name, name) for name in pip() if name != "python"} <= names
