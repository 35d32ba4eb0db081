# ContactPoint pipeline. `make help` lists every target.
# Needs: make, Python 3.11, 3.12 or 3.13, and the package registries. Everything else is fetched and pinned.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# `python3` where it is new enough, or else the newest that is; PYTHON=... overrides.
RIGHT_VERSION := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  "$$p" -c '$(RIGHT_VERSION)' 2>/dev/null && echo "$$p" && break; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-$(if $(BENCH),bench,dev)
BENCH_INSTALLED := $(VENV)/installed-bench
STACK := $(BIN)/python -m contactpoint stack
PYTEST := $(BIN)/pytest
# Three processes, each with a Kafka and a PostgreSQL of its own: tests that kill and restart things wait a good part of
# their time. A test file stays in one process; the files that take longest begin first (tests/conftest.py).
TOGETHER ?= -n 3 --dist loadfile --no-loadscope-reorder
CODE := contactpoint schemas connectors ingest matching projections tests $(wildcard benchmarks)
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
  --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo

##@ Try it
.PHONY: demo
demo: install ## Simulated feeds of 2,000 children through every stage, and what came out (KEEP=1 leaves it running)
	@$(BIN)/contactpoint demo $(if $(KEEP),--keep)

##@ Local stack (Kafka and PostgreSQL, data under .local/)
.PHONY: install up down reset status
install: $(INSTALLED) ## Make .venv with the locked, hash-checked dependencies

up: install ## Start Kafka and PostgreSQL
	@$(STACK) up

down: install ## Stop them; the data stays
	@$(STACK) down

reset: install ## Stop them and delete their data
	@$(STACK) reset

status: install ## Say what runs and where
	@$(STACK) status

##@ Tests
.PHONY: test test-unit test-integration test-oldest soak mutation
test: install ## Every test but the soak: unit, contract, then integration on a stack of its own
	@$(PYTEST) $(TOGETHER) -m 'not soak and not bench'

test-unit: install ## Unit and contract tests only: no servers
	@$(PYTEST) $(TOGETHER) -m 'not integration and not soak and not bench'

test-integration: install ## Tests on a real Kafka and PostgreSQL, which they start
	@$(PYTEST) $(TOGETHER) -m 'integration and not soak and not bench'

test-oldest: install ## Those that use the database once more, on the oldest PostgreSQL supported (OLDEST=its binaries)
	@CONTACTPOINT_PG_BIN="$(or $(OLDEST),/usr/lib/postgresql/15/bin)" \
	  $(PYTEST) -n 2 --dist loadfile -m 'postgres and not soak and not bench'

soak: install ## The long tests
	@$(PYTEST) -m soak --timeout 0

mutation: install ## How many small changes of the pure cores that must not err their tests notice (at least nine in ten)
	@$(BIN)/python -m tests.mutation

##@ Code
.PHONY: check format format-check lint typecheck imports
check: format-check lint typecheck imports test-unit ## Everything a change must pass before the integration tests

format: install ## Format the code
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix-only --quiet $(CODE)

format-check: install
	@$(BIN)/ruff format --check $(CODE)

lint: install ## Ruff
	@$(BIN)/ruff check $(CODE)

typecheck: install ## mypy --strict
	@$(BIN)/mypy

imports: install ## The import rule: contactpoint -> ingest | matching | projections -> connectors -> schemas
	@$(BIN)/lint-imports

.PHONY: sbom
sbom: install ## The bill of materials of what ships, CycloneDX, into build/sbom.json
	@mkdir -p build
	@$(BIN)/python -m cyclonedx_py requirements requirements/runtime.lock -o build/sbom.json
	@echo "build/sbom.json"

.PHONY: vulnerabilities
vulnerabilities: install ## What OSV knows of the locked packages, asked now (OSV=URL of another database); fails unless all were audited
	@$(BIN)/python deploy/check_vulnerabilities.py requirements/runtime.lock requirements/dev.lock $(if $(OSV),--url $(OSV))

##@ Measure
.PHONY: bench accuracy
bench: $(BENCH_INSTALLED) ## Speed of each stage and end to end, into benchmarks/results.json
	@$(BIN)/python -m benchmarks.speed

accuracy: $(BENCH_INSTALLED) ## Precision, recall and F1 beside Splink, into benchmarks/accuracy.json and stress.json
	@$(BIN)/python -m benchmarks.accuracy
	@$(BIN)/python -m benchmarks.accuracy.stress --splink

##@ Upkeep
.PHONY: lock clean
lock: install ## Make the lock files again (UPGRADE=--upgrade takes the newest versions)
	@$(BIN)/pip install --quiet 'uv>=0.9,<1'
	@$(UV_COMPILE) pyproject.toml --extra dev --extra bench -o requirements/bench.lock
	@$(UV_COMPILE) pyproject.toml --extra dev -c requirements/bench.lock -o requirements/dev.lock
	@$(UV_COMPILE) pyproject.toml -c requirements/bench.lock -o requirements/runtime.lock

clean: ## Stop the stack, delete its data, the virtual environment and every cache
	@if [ -x $(BIN)/python ] && [ -d .local ]; then $(STACK) reset; fi
	@rm -rf $(VENV) .local build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The virtual environment, made again when a lock file changes.
$(VENV)/bin/python:
	@if ! "$(PYTHON)" -c '$(RIGHT_VERSION)' 2>/dev/null; then \
	  echo "Python 3.11, 3.12 or 3.13 is needed; $(or $(PYTHON),python3) is $$("$(or $(PYTHON),python3)" --version 2>&1 | head -1)." >&2; \
	  echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	  exit 1; fi
	@if ! "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null; then \
	  echo "$(PYTHON) cannot make virtual environments (Debian, Ubuntu: apt-get install python3-venv)." >&2; exit 1; fi
	@echo "Making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/installed-%: requirements/%.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the dependencies of $<"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
