# Two commands matter: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset docs figures test test-full lint types format bench test-wheel clean

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.train: pyproject.toml constraints.txt
	@PYTHON=$(PYTHON) sh demo/preflight.sh $(VENV)
	@echo "Installing edfstat with its training backend (minutes: PyTorch is large) ..."
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	@echo "Installing the tools that the tests use ..."
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.train ## Train two small design spaces on this machine, compare them, write demo/report.html
	@$(BIN)/python demo/run.py

demo-reset: ## Forget the demo's results, so that it trains again
	rm -rf demo/sweep demo/report.html demo/population.nc demo/edf.svg

lint: $(VENV)/.dev ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Types: strict for edfstat and submit
	$(BIN)/mypy

format: $(VENV)/.dev ## Put the code in the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint types ## Lint, types, unit, property, doc and integration tests (a real SLURM where it is installed)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadgroup --durations 15

test-full: $(VENV)/.dev ## The slow tests that `make test` leaves out: coverage, test sizes, faults, scale
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n $(JOBS) --dist loadgroup --durations 15 --timeout 900

test-wheel: $(VENV)/.dev ## Build the wheel, install it alone, check that the analysis works without torch
	sh .ci/check_wheel.sh $(BIN)/python

bench: $(VENV)/.dev ## Benchmarks, as ratios against what one would use instead
	$(BIN)/python -m pytest -o addopts="" -o filterwarnings=default -o python_files="bench_*.py" -p no:xdist benchmarks

docs: $(VENV)/.dev ## Make the site of the guide and the reference in build/site
	$(BIN)/sphinx-build -W --keep-going -q -c docs . build/site
	@echo "Open build/site/index.html"

figures: $(VENV)/.dev ## Draw the pictures of docs/figures.md anew
	$(BIN)/python docs/draw_figures.py

clean: ## Remove the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
