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

# Everything that is published, from FER2013: `make published DATA=fer2013.csv` trains what is missing of it, goes on where
# it was interrupted, and writes report, figures, tables, weights and the README's table.
STUDY := $(BIN)/fer study --data $(DATA) --recipe full
TEACHERS = $(shell ls -d runs/teacher-1.6m_full-36_seed-* | paste -sd,)

published: $(VENV)/ready
	$(STUDY) --models teacher-1.6m --epochs 36 --seeds 0,1 --out runs/teachers.csv
	$(STUDY) --models compact-46k --epochs 60 --out runs/compact.csv
	$(STUDY) --models compact-46k --epochs 60 --teacher $(TEACHERS) --out runs/compact-taught.csv
	$(BIN)/fer report --data $(DATA) --recipe quick --out figures/report.pdf --figures figures
	$(BIN)/python -m fer_utils.report.publish runs/*.csv
