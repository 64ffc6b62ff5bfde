# Every target makes its own virtual environment; nothing is installed outside of this folder.
PYTHON ?= python3
SHELL := /bin/bash
# Tests start some hundred processes from the same sources: they are compiled once, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
RUNTIME := .venv-run
DEV := .venv

.PHONY: demo test lint types contracts bench soak explore clean lock

demo: $(RUNTIME)/.ready ## see data flow, end to end
	$(RUNTIME)/bin/islet demo

test: $(DEV)/.ready ## every test, in two processes
	$(DEV)/bin/python -m pytest -q -n 2 --dist loadgroup $(TESTS)

lint: $(DEV)/.ready
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/.ready
	$(DEV)/bin/mypy

contracts: $(DEV)/.ready
	$(DEV)/bin/lint-imports

bench: $(DEV)/.ready ## figures of this machine; see docs/benchmarks.md
	benchmarks/record

soak: $(DEV)/.ready ## 50,000 messages while everything is killed and stopped; half an hour
	$(DEV)/bin/python -m engine.testing.crash $(SOAK)

explore: $(DEV)/.ready ## the property tests with other examples each time, and 20 times as many; stops at the first find
	ISLET_EXAMPLES=$(or $(FACTOR),20) $(DEV)/bin/python -m pytest -q -x $(or $(TESTS),tests/property)

$(RUNTIME)/.ready: requirements.lock pyproject.toml scripts/venv
	PYTHON=$(PYTHON) scripts/venv $(RUNTIME) requirements.lock

$(DEV)/.ready: requirements-dev.lock pyproject.toml scripts/venv
	PYTHON=$(PYTHON) scripts/venv $(DEV) requirements-dev.lock

lock: $(DEV)/.ready ## new versions with hashes, no addresses; needs uv
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q \
	  pyproject.toml --group build -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q \
	  pyproject.toml --group dev -o requirements-dev.lock

clean:
	rm -rf $(RUNTIME) $(DEV) var dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
