# Every target sets itself up in .venv; the machine needs Python >= 3.11 and nothing else.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
# Compiled once here, on all cores: a count starts several processes, and some environments forbid writing bytecode.
# What only tests use, like torch, is compiled when they first do.
COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/(torch|pip|onnx/backend|onnx/reference|tests)/' $(VENV)/lib solver service clients \
	>/dev/null 2>&1 || true
# The engines' kernels take a processor for most of a minute, once: begun as soon as what they need is there.
NEEDED := numpy numba python-flint highspy
KERNELS := PYTHONPATH=solver $(BIN)/python -c "from relucensus.warm import warm; warm()"
SETUP := pyproject.toml constraints.txt

define INSTALL
	$(PIP) $(NEEDED)
	@$(KERNELS) & kernels=$$!; \
	$(PIP) --editable "$(1)" && { $(COMPILE); wait $$kernels; }
endef

.PHONY: help demo test check lint types layers format clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.for-running: $(SETUP) | $(BIN)/python
	$(call INSTALL,.)
	@touch $@

$(VENV)/.for-development: $(SETUP) | $(BIN)/python
	$(call INSTALL,.[dev])
	@touch $@ $(VENV)/.for-running

demo: $(VENV)/.for-running  ## start the embedded service, upload an example network, print its counts
	@$(BIN)/python examples/demo.py

test: $(VENV)/.for-development  ## run every test
	@$(KERNELS)
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.for-development
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.for-development
	@$(BIN)/mypy

layers: $(VENV)/.for-development
	@$(BIN)/lint-imports

check: $(VENV)/.for-development  ## ruff, mypy --strict, import-linter, tests; reports every failure
	@failed=""; \
	for target in lint types layers test; do \
		echo "== $$target"; $(MAKE) --no-print-directory $$target || failed="$$failed $$target"; \
	done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi

format: $(VENV)/.for-development  ## format the code
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
