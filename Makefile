# What a checkout can do. `make` lists it; a comment with two # beside a target is its line in that list.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PROJECT ?= examples/shop
ARGS ?=

# A Python 3.11 of any name; `make install PYTHON=/path/to/python3.11` names one.
PYTHON ?= $(shell for name in python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$name" && break; done)

# Where Python may leave no bytecode, each of the suite's processes compiles Dagster anew, which takes longer than a small
# run. What it leaves lies in .venv and in folders that `make clean` removes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List what there is
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## Set up .venv with exactly the locked packages; at once when nothing changed

# uv is not among the locked packages and stays: `uv pip sync` leaves uv and pip alone in a venv that python made.
$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 found. Install it (apt-get install python3.11 python3.11-venv, or" \
		"uv python install 3.11, or pyenv install 3.11) or name one: make install PYTHON=/path/to/python3.11"; exit 1; } >&2
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip sync --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
	@touch $@

.PHONY: run
run: install ## Generate the example shop and run its main job to the end
	@$(BIN)/cdp demo-data --project $(PROJECT) --if-missing
	@$(BIN)/cdp run --project $(PROJECT)

.PHONY: ui
ui: install ## Start Dagster's UI on the example (PROJECT=…, PORT=… for others)
	@$(BIN)/cdp demo-data --project $(PROJECT) --if-missing
	@$(BIN)/python -m scripts.dev_server $(PROJECT) $(if $(PORT),--port $(PORT))

.PHONY: test
test: install ## Run the tests (ARGS='-n 0 -k words' are pytest's)
	@$(BIN)/pytest $(ARGS)

.PHONY: crash-test
crash-test: install ## Kill runs at random moments and compare (ARGS='--kills 200 --whole 10 --seed 7 --engine postgresql')
	@$(BIN)/python -m cdp_pipeline_tests.crash $(ARGS)

.PHONY: check
check: install ## Check format, lint, who imports whom, and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

.PHONY: format
format: install ## Format, and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: bench
bench: install ## Measure time and memory of the main job beside one bare pass over the same files
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: screenshot
screenshot: install ## Take docs/asset_graph.png, the picture of the asset graph (needs Chromium)
	@$(BIN)/cdp demo-data --project $(PROJECT) --if-missing
	@$(BIN)/cdp run --project $(PROJECT) >/dev/null
	@$(BIN)/python -m scripts.screenshot $(PROJECT) docs/asset_graph.png

.PHONY: lock
lock: install ## Write requirements.lock anew from pyproject.toml (ARGS=--upgrade for newer releases)
	@$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-header --no-annotate \
		--output-file requirements.lock --quiet $(ARGS)

.PHONY: clean
clean: ## Remove what runs, tests and builds left behind, but not .venv
	@rm -rf build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -rf examples/*/landing examples/*/truth examples/*/.dagster examples/*/*.duckdb examples/*/*.duckdb.*
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
