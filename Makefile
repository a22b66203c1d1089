# `make report` and `make test` are all that a fresh machine needs, with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: report test format clean published

report: $(VENV)/ready
	$(BIN)/fer report --data demo --out report.pdf

test: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 2

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build runs report.pdf report.html

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# The published report, figures and table: `make published DATA=fer2013.csv` trains what is missing of them.
published: $(VENV)/ready
	$(BIN)/fer report --data $(DATA) --recipe quick --out figures/report.pdf --figures figures
	$(BIN)/fer study --data $(DATA) --recipe quick --models mobilenet-46k --epochs 24 --out figures/results-24-epochs.csv
	$(BIN)/python -m fer_utils.report.readme README.md figures/results.csv figures/results-24-epochs.csv
