# Everything a person needs to type. `make help` lists it. Needs only Python 3.11 or newer, make and git.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
RUN_STAMP := $(VENV)/.runtime
DEV_STAMP := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt bench faults docs lock clean

help: ## what there is to type
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made: install the venv module of your Python (Debian: apt-get install python3-venv)"; rm -rf $(VENV); exit 1; }

$(RUN_STAMP): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	@echo "Installing what the tests and checks need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(RUN_STAMP) ## warm 12 chips through 30 virtual days, over real HTTP and real PostgreSQL (options: ARGS="--seed 8 --exit")
	@$(BIN)/warmer demo $(ARGS)

test: $(DEV_STAMP) ## all tests (options: ARGS="tests/core -k budget")
	@$(BIN)/python tools/run_tests.py $(ARGS)

check: $(DEV_STAMP) ## style, types, layers, and whether the generated documents are up to date
	$(BIN)/ruff format --check src tests tools benchmarks
	$(BIN)/ruff check src tests tools benchmarks
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docs.py

fmt: $(DEV_STAMP) ## put the code into shape
	$(BIN)/ruff format src tests tools benchmarks
	$(BIN)/ruff check --fix src tests tools benchmarks

bench: $(DEV_STAMP) ## performance as ratios against a floor (options: ARGS="--short --only intake")
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(DEV_STAMP) ## delivery under faults: real processes, real kills, the sandbox's ledger as judge (options: ARGS="--short --only R3")
	@$(BIN)/python -m tests.faults $(ARGS)

docs: $(DEV_STAMP) ## write the generated documents again: rules, schema, settings, openapi, commands, privacy
	$(BIN)/python tools/check_docs.py --write

lock: $(DEV_STAMP) ## resolve the dependencies again
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## remove what was installed and cached here
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
