# `make demo` installs everything into .venv and runs the built-in sweep to a printed grid; `make test` passes the tests.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL := $(SHELL) .ci/install_packages.sh $(BIN)/python
# Processes of the fast tests, and of the slow ones that start no Ray.
WORKERS ?= 2
# Releases of Ray on which `make test-rays` tries the plain engine.
RAYS ?= 2.50.1 2.54.1 2.57.1
NEWEST := .venv-newest
# What uses Ray, torch and MLflow most.
NEWEST_TESTS ?= tests/clusters tests/orchestration/engine tests/orchestration/tracking tests/trainers/training tests/trainers/worker

LOCK := --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes

.PHONY: help install install-dev lock demo check format docs test test-slow test-faults test-long test-newest test-rays clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: '$(PYTHON)' was not found; set PYTHON=/path/to/python3.11" >&2; exit 3; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@$(INSTALL) requirements.lock "what running needs" "about 7 GB on Linux, most of it PyTorch with CUDA"
	@$(PIP) --no-deps --no-build-isolation --editable .
	@echo "compiling Python files and kernels"
	@$(BIN)/python -m compileall -q augment clusters dreamgrid eval orchestration trainers
	@$(BIN)/python -m trainers.worker.warm_kernels
	@touch $@

$(DEV): $(STAMP) requirements-dev.lock
	@$(INSTALL) requirements-dev.lock "what the tests and checks need"
	@touch $@

install: $(STAMP)  ## install what running needs into .venv, and compile the kernels

install-dev: $(DEV)  ## install what the tests and checks need besides

demo: $(STAMP)  ## run the built-in sweep `demo` to a printed grid
	$(BIN)/dreamgrid run demo

check: $(DEV)  ## format, lint, types, import contracts, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: $(DEV)  ## apply the formatter and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(DEV)  ## the site, into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs docs/_build/html

test: $(DEV)  ## the fast tests
	$(BIN)/python -m pytest -q -m "not slow and not faults" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# pytest's exit code 5 says that nothing was chosen, as PYTEST_ARGS may want of one of the two.
test-slow: $(DEV)  ## the slow tests: whole sweeps, statistics, browsers; those that start a Ray one after the other
	$(BIN)/python -m pytest -q -m "slow and not long and not faults and not ray" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS) || test $$? -eq 5
	$(BIN)/python -m pytest -q -m "slow and not long and not faults and ray" $(PYTEST_ARGS) || test $$? -eq 5

test-faults: $(DEV)  ## the injected crashes
	$(BIN)/python -m pytest -q -m "faults and not long" $(PYTEST_ARGS)

test-long: $(DEV)  ## the longest tests, before a release: many nodes, dead heads, killed processes of Ray, 500 runs (45 minutes on two cores)
	$(BIN)/python -m pytest -q -m "long" $(PYTEST_ARGS)

test-newest:  ## the newest releases of ray, torch and mlflow that pyproject.toml allows, in a venv of their own
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: '$(PYTHON)' was not found; set PYTHON=/path/to/python3.11" >&2; exit 3; }
	test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager --editable ".[dev]"
	$(NEWEST)/bin/python -m trainers.worker.warm_kernels
	$(NEWEST)/bin/python -m pip --disable-pip-version-check list | grep -iE '^(ray|torch|torchvision|mlflow) '
	$(NEWEST)/bin/python -m pytest -q -m "not slow and not faults" $(NEWEST_TESTS) $(PYTEST_ARGS)
	$(NEWEST)/bin/python -m pytest -q -m "slow" tests/orchestration/engine/test_plain.py $(PYTEST_ARGS)
	for engine in warm plain; do storage=$$(mktemp -d) && \
	    $(NEWEST)/bin/dreamgrid run demo --smoke --engine $$engine --storage $$storage && rm -r $$storage || exit 1; done

test-rays: $(DEV)  ## the plain engine on several releases of Ray (RAYS="2.50.1 ..."), its numbers compared with the warm engine's
	$(BIN)/python -m benchmarks.ray_releases $(RAYS)

# One resolution for both files, for every platform: what runs is what was tested. Versions stay where pyproject.toml allows;
# `make lock UPGRADE=--upgrade` takes the newest.
lock: $(DEV)  ## write requirements.lock and requirements-dev.lock from pyproject.toml, with hashes
	$(BIN)/uv pip compile $(UPGRADE) $(LOCK) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile $(LOCK) --extra build --extra search --extra server --constraints requirements-dev.lock \
	    --output-file requirements.lock pyproject.toml

clean:  ## remove what the tests and tools leave behind (results and checkpoints stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist docs/_build
