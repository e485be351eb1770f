# `make demo` installs everything into .venv and runs the built-in sweep to a printed grid; `make test` passes the tests.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Processes of the fast tests, and of the slow ones that start no Ray.
WORKERS ?= 2

.PHONY: help install demo check format test test-slow test-faults clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: '$(PYTHON)' was not found; set PYTHON=/path/to/python3.11" >&2; exit 3; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q augment clusters eval orchestration trainers
	$(BIN)/python -m trainers.worker.warm_kernels
	@touch $@

install: $(STAMP)  ## install the locked environment into .venv and compile the kernels

demo: $(STAMP)  ## run the built-in sweep `demo` to a printed grid
	$(BIN)/dreamgrid run demo

check: $(STAMP)  ## format, lint, types, import contracts, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture

format: $(STAMP)  ## apply the formatter and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(STAMP)  ## the fast tests
	$(BIN)/python -m pytest -q -m "not slow and not faults" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# pytest's exit code 5 says that nothing was chosen, as PYTEST_ARGS may want of one of the two.
test-slow: $(STAMP)  ## the slow tests: whole sweeps, statistics, browsers; those that start a Ray one after the other
	$(BIN)/python -m pytest -q -m "slow and not faults and not ray" -n $(WORKERS) --dist loadfile $(PYTEST_ARGS) || test $$? -eq 5
	$(BIN)/python -m pytest -q -m "slow and not faults and ray" $(PYTEST_ARGS) || test $$? -eq 5

test-faults: $(STAMP)  ## the injected crashes
	$(BIN)/python -m pytest -q -m "faults" $(PYTEST_ARGS)

clean:  ## remove what the tests and tools leave behind (results and checkpoints stay)
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
