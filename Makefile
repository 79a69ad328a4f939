# SPDX-License-Identifier: Apache-2.0
# What can be done with this tree? `make` lists it. Everything lives in .venv and the user's cache; nothing else is touched.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Tests wait for servers more than they compute. A file stays in one process: some share an operator or a server.
PYTEST := $(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile
SUITES := $(wildcard tests/unit tests/contract tests/database tests/cluster tests/e2e)
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$each; break; }; done)

export KEEP

.PHONY: help setup check test demo faults slow bench fmt kube lock clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-8s %s\n", $$1, $$2 }'

setup: $(STAMP) ## make .venv with the pinned requirements (instant when nothing has changed)

$(STAMP): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	@touch $@

check: setup ## lint, format, types, layers
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy operator dev
	$(PY) -m mypy --explicit-package-bases tests
	$(VENV)/bin/lint-imports

# The API server and Helm are built (minutes on a cold machine) while the suites that don't need them run; the first test
# that needs one waits for its build.
test: setup check ## check, then every test but the slow ones, on real PostgreSQL 18 and 15 and a real API server
	@$(PY) -m dev.binaries & building=$$!; \
	$(PYTEST) -m 'not slow' $(SUITES); result=$$?; \
	if [ $$result -ne 0 ]; then kill $$building 2>/dev/null; fi; wait $$building || true; \
	exit $$result

faults: setup ## the stories with something broken; N=1000 SEED=7: a campaign of so many migrations under random faults
ifdef N
	PYTHONPATH=operator:. $(PY) -m tests.faults.campaign --n $(N) --seed $(or $(SEED),1)
else
	$(PY) -m pytest tests/faults
endif

slow: setup ## every test that `make test` leaves out
	$(PYTEST) -m 'slow or faults' tests

demo: setup ## migrations that succeed, roll back and are refused, watched live (KEEP=1 leaves everything running)
	$(PY) -m dev.demo

bench: setup ## what a backfill costs beside one UPDATE and plain batches (minutes; nothing passes or fails)
	PYTHONPATH=operator:. $(PY) -m dev.bench_backfill

fmt: setup ## format, and fix what the linter can fix
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

kube: setup ## build the API server and the Helm of the cluster tests ahead of time
	$(PY) -m dev.binaries

lock: ## write requirements.lock anew: the newest versions that pyproject.toml allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	build/lock/bin/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[^ ]+$$' > requirements.lock
	rm -rf build/lock

clean: ## remove .venv and everything generated here (the caches of the user stay)
	rm -rf $(VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf operator/*.egg-info
