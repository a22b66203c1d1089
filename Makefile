# `make report` and `make test` are all that a fresh machine needs, with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup report test fuzz audit format clean published

setup: $(VENV)/ready

report: $(VENV)/ready
	$(BIN)/fer report --out report.pdf

# The tests of a file go to one process, since they may share a fixture that takes long, such as the report.
test: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# About an hour on two cores.
fuzz: $(VENV)/ready
	FUZZ_EXAMPLES=6000 $(BIN)/pytest --numprocesses 2 tests/test_fuzz.py

audit: $(VENV)/ready
	$(BIN)/python -m pip install --quiet pip-audit
	$(BIN)/pip-audit --skip-editable

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build report.pdf report.html

# pip takes the build of PyTorch that fits this machine; uv installs the rest in a
# fraction of pip's time, and pip does where uv cannot.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv \
	&& $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]' \
	|| $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# `make published DATA=fer2013.csv` trains what is missing of the published study, and writes everything that is
# computed from it: see figures/README.md. Interrupted, it resumes. The runs of earlier studies stay in runs.csv.
published: $(VENV)/ready
	@test -n "$(DATA)" || (echo "where is FER2013? make published DATA=fer2013.csv"; exit 2)
	$(BIN)/fer study figures/published.toml --data $(DATA) --out runs/published.csv
	$(BIN)/python -m figures.publish runs/published.csv figures/runs.csv
	$(BIN)/python -m figures.compression $(DATA)
	$(BIN)/python -m figures.pack $(DATA)
	$(BIN)/fer report --out figures/report.pdf --figures figures
	$(BIN)/fer report --out figures/report.zh-TW.pdf --language zh-TW
	$(BIN)/python -m figures.readme
