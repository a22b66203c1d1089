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
ORIGINAL = mobilenet-46k,mobilenet-112k,mobilenet-158k,cnn-48k,cnn-103k,cnn-150k,cnn-852k,vgg-1.9m
STUDY = $(BIN)/fer study --data $(DATA)
TEACHERS = $$($(BIN)/python -c "import pandas; print(','.join(pandas.read_csv('runs/published/teachers.csv').run))")

published: $(VENV)/ready
	$(STUDY) --recipe full --models teacher-1.6m --epochs 36 --seeds 0,1 --out runs/published/teachers.csv
	$(STUDY) --recipe full --models compact-46k --epochs 60 --out runs/published/compact.csv
	$(STUDY) --recipe full --models compact-46k,compact-58k --epochs 60 --teacher $(TEACHERS) --out runs/published/taught-60.csv
	$(STUDY) --recipe full --models compact-103k --epochs 40 --teacher $(TEACHERS) --out runs/published/taught-40.csv
	$(STUDY) --recipe quick --models $(ORIGINAL) --out runs/published/original.csv
	$(STUDY) --recipe quick --models mobilenet-46k --epochs 24 --out runs/published/mobilenet.csv
	$(BIN)/fer report --data $(DATA) --recipe quick --out figures/report.pdf --figures figures
	$(BIN)/python -m fer_utils.report.publish runs/published/*.csv
