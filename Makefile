# Every target starts from a machine with only Python (3.11 or newer) and make.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
MONAI := .venv-monai
MONAI_STAMP := $(MONAI)/.installed

.DEFAULT_GOAL := help
.PHONY: help .venv quickstart test test-fast check bench bench-search bench-search-quick bench-early-stopping bench-loop bench-report bench-reinforcement bench-queue fault-queue bench-data fault-data docs clean monai example-spleen example-team example-data

help: ## Show the targets
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: $(STAMP) ## Create .venv and install everything at the locked versions

# pip in a fresh environment may be too old for dependency groups, so it is brought up to date first.
# Where uv cannot reach the package index that pip is configured for, pip installs instead.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Meristem needs Python 3.11 or newer; give it with make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --group dev --editable . \
	  || $(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	@touch $@

monai: $(MONAI_STAMP) ## Create .venv-monai with PyTorch and MONAI, in which the spleen example trains

# torch first and alone: asked for together with others, pip may take its builds for GPUs, which are gigabytes.
$(MONAI_STAMP): examples/spleen/requirements.txt
	test -x $(MONAI)/bin/python || $(PYTHON) -m venv $(MONAI)
	$(MONAI)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep ^torch== $<)"
	$(MONAI)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	$(MONAI)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

example-spleen: $(STAMP) $(MONAI_STAMP) ## Search a 3D segmentation, as an MMAR and as a MONAI bundle, about 10 minutes
	$(BIN)/python examples/spleen/run.py

example-team: $(STAMP) ## A store, two workers, a training run by hand and again on them, compared, half a minute
	$(BIN)/python examples/team/run.py

example-data: $(STAMP) ## Five days of labelling as five versions of a dataset, a training on the newest, all checked
	$(BIN)/python examples/occupancy_data/run.py $(ARGS)

quickstart: $(STAMP) ## Search for the best model of a real data set, about a minute
	$(BIN)/python examples/quickstart/digits.py

test: $(STAMP) ## Run all tests; those that run in one process must cover 90 % of src
	$(BIN)/python -m pytest tests/unit tests/contract tests/integration/datasets -q -n 2 --cov=meristem --cov-report=term --cov-fail-under=90
	$(MAKE) monai || echo "There is no MONAI here: the tests of the spleen example are skipped"
	$(BIN)/python -m pytest tests/integration tests/acceptance -q -n 2 --ignore=tests/integration/datasets

test-fast: $(STAMP) ## Run the unit tests only
	$(BIN)/python -m pytest tests/unit -q

check: $(STAMP) ## Lint, types, and the floors of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet src tests benchmarks examples
	$(BIN)/mypy --strict src
	PYTHONPATH=src $(BIN)/lint-imports

bench: $(STAMP) ## Measure overhead and size, beside Optuna; prints a table and writes JSON
	$(BIN)/python benchmarks/overhead.py

bench-search: $(STAMP) ## Compare the search with Ax and Optuna, hours; may be stopped and started again (ARGS="--minutes 60")
	$(BIN)/python -m benchmarks.search $(ARGS)

bench-search-quick: $(STAMP) ## The same in 10 minutes: few seeds, Ax on two problems
	$(BIN)/python -m benchmarks.search --quick $(ARGS)

bench-loop: $(STAMP) ## Measure closed loops beside Ax and Optuna: waiting, saving, kills at each step
	$(BIN)/python -m benchmarks.closed_loop

bench-early-stopping: $(STAMP) ## Compare stopping rules with Optuna's pruners on recorded learning curves
	$(BIN)/python benchmarks/early_stopping/compare.py
	$(BIN)/python benchmarks/early_stopping/cost.py

bench-report: $(STAMP) ## How long the report of a study takes, and how large its page is
	$(BIN)/python benchmarks/report.py

bench-reinforcement: $(STAMP) ## Compare reinforcement with auto and random on mixed problems, about half an hour
	$(BIN)/python -m benchmarks.reinforcement $(ARGS)

bench-queue: $(STAMP) ## Measure queues and workers beside Procrastinate, a plain loop and Ray, about 20 minutes
	$(BIN)/python -m benchmarks.queue $(ARGS)

fault-queue: $(STAMP) ## Kill workers and the database under load for 10 minutes (ARGS="--minutes 1" for a quick look)
	$(BIN)/python -m benchmarks.queue.faults $(ARGS)

bench-data: $(STAMP) ## Measure dataset versions beside DVC, about 20 minutes (ARGS="--only small --rounds 1" for a quick look)
	$(BIN)/python -m benchmarks.datasets $(ARGS)

fault-data: $(STAMP) ## Kill writers, readers and collectors of datasets 100 times (ARGS="--kills 10" for a quick look)
	$(BIN)/python -m benchmarks.datasets.faults $(ARGS)

docs: $(STAMP) ## Build the documentation into site/
	$(BIN)/mkdocs build --strict --quiet

clean: ## Remove what tools left behind; the environment and your studies stay
	rm -rf site build dist .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
