# `make report` and `make test` are all that a fresh machine needs, with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup report test format clean published

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

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build report.pdf report.html

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# What is published, from FER2013: `make published DATA=fer2013.csv FERPLUS=fer2013new.csv` trains what is missing of it,
# goes on where it was interrupted, and writes reports, figures, tables, weights and the README's tables. Rows of
# figures/runs.csv that it does not train (those of an earlier recipe) stay as they are.
STUDY = $(BIN)/fer study --data $(DATA) --recipe full
LARGE = $(BIN)/fer study --data $(DATA) --recipe large
EQUALS = --budgets 20k,46k,158k --budget-seeds 0,1 --budget-epochs 10
# Who teaches, each as it was before `published` trains it anew, so that the files stay the same ones: vgg-1.9m; three,
# which are that, compact-900k, and a compact-900k that learned too briefly to know Training by heart; and compact-158k,
# which these three taught, and beside it the compact-900k that they taught, both with their BatchNorm measured anew.
# mobilenet-46k learned from compact-158k as it was before that. Those finetuned start from the weights of BEFORE, some of
# them by a pair: that compact-900k, and the vgg-1.9m that compact-158k taught further.
VGG = runs/teachers/vgg-1.9m.safetensors
THREE = $(VGG),runs/teachers/compact-900k.safetensors,runs/teachers/early.safetensors
COMPACT = runs/teachers/compact-158k.safetensors
EARLIER = runs/teachers/compact-158k-earlier.safetensors
TAUGHT = runs/teachers/compact-900k-taught.safetensors
FURTHER = runs/teachers/vgg-1.9m-taught.safetensors
TWO = $(COMPACT),$(TAUGHT)
PAIR = $(TAUGHT),$(FURTHER)
BY_THREE = compact-158k:80 compact-900k:28 teacher-1.4m:30
BY_TWO = compact-103k:85
BY_COMPACT = compact-46k:60 compact-58k:60 mobilenet-46k:45 mobilenet-112k:45 mobilenet-158k:45 cnn-48k:45 cnn-103k:45 cnn-150k:45 \
	cnn-852k:26 cnn-852k:45 vgg-1.9m:45
FINETUNED = mobilenet-112k:14 mobilenet-158k:16 cnn-103k:14 teacher-1.4m:8 vgg-1.9m:5 compact-46k:14 compact-58k:14 \
	mobilenet-46k:14 cnn-150k:14
FINETUNED_BY_PAIR = compact-900k:6 compact-103k:6 compact-103k:12 compact-158k:12
BEFORE = eca376c
teach = for run in $(1); do \
		$(STUDY) --models $${run%:*} --epochs $${run\#*:} --teacher $(2) --out runs/published/$${run%:*}-$${run\#*:}.csv || exit; \
	done
finetune = for run in $(1); do \
		git show $(BEFORE):fer_utils/weights/$${run%:*}.safetensors > runs/starts/$${run%:*}.safetensors; \
		$(BIN)/fer train $${run%:*} --data $(DATA) --recipe finetune --epochs $${run\#*:} \
			--start runs/starts/$${run%:*}.safetensors --teacher $(2) || exit; \
	done
REPORT = $(BIN)/fer report --data $(DATA) --recipe full --epochs 45 --teacher $(COMPACT) $(EQUALS) --ferplus "$(FERPLUS)"

PUBLISH = $(BIN)/python -m fer_utils.report.publish runs/published/*.csv \
	$(foreach run,$(FINETUNED) $(FINETUNED_BY_PAIR),runs/$(subst :,_finetune-,$(run))-taught_seed-0_*) runs/published-before.csv

published: $(VENV)/ready
	@test -n "$(DATA)" || (echo "say where FER2013 lies: make published DATA=fer2013.csv"; exit 2)
	mkdir -p runs/published runs/teachers runs/starts
	@$(BIN)/fer data "$(DATA)" > runs/published/data.txt
	@sed -n 's/^fingerprint //p' runs/published/data.txt | grep -q -f - figures/runs.csv || \
		(echo "$(DATA) has another fingerprint than the file that figures/runs.csv is about"; exit 2)
	git show HEAD:figures/runs.csv > runs/published-before.csv
	git show 5fbc843:fer_utils/weights/vgg-1.9m.safetensors > $(VGG)
	git show 3db2549:fer_utils/weights/compact-158k.safetensors > $(COMPACT)
	git show 6424d75:fer_utils/weights/compact-158k.safetensors > $(EARLIER)
	git show 3db2549:fer_utils/weights/compact-900k.safetensors > $(TAUGHT)
	git show 286bbbc:fer_utils/weights/vgg-1.9m.safetensors > $(FURTHER)
	git show 10cdd84:fer_utils/weights/compact-900k.safetensors > runs/teachers/compact-900k.safetensors
	$(LARGE) --models compact-900k --seeds 1 --epochs 20 --out runs/published/compact-900k-early.csv
	cp runs/compact-900k_large-20_seed-1_*/weights.safetensors runs/teachers/early.safetensors
	$(STUDY) --epochs 16 --out runs/published/original.csv
	$(LARGE) --models teacher-1.4m,compact-900k --epochs 32 --out runs/published/large.csv
	$(call teach,$(BY_THREE),$(THREE))
	$(call teach,$(BY_TWO),$(TWO))
	$(call teach,$(BY_COMPACT),$(COMPACT))
	$(STUDY) --models mobilenet-46k --epochs 45 --teacher $(EARLIER) --out runs/published/mobilenet-46k-earlier.csv
	$(call finetune,$(FINETUNED),$(COMPACT))
	$(call finetune,$(FINETUNED_BY_PAIR),$(PAIR))
	$(STUDY) --models compact-46k --epochs 30 --out runs/published/compact-46k-untaught.csv
	$(PUBLISH)
	$(BIN)/python -m fer_utils.report.compression $(DATA)
	$(REPORT) --language zh-TW --out figures/report.zh-TW.pdf
	$(REPORT) --out figures/report.pdf --figures figures
