# The doors of the project. Everything runs in .venv, which `make setup` makes and the other targets bring up to date.

PYTHON ?= python3
COMPAT ?= oldest forge last4
PY := .venv/bin/python
TESTS ?= tests
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-compat lint benchmarks clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:  ## make .venv, or find it ready (kept in a cache outside the checkout)
	@$(PYTHON) tools/environment.py main

demo: setup  ## caption the example photos with the bundled model
	@HF_HUB_OFFLINE=1 $(PY) -m clipcap_ext demo

test: setup  ## run the tests (TESTS=tests/engine for a part)
	@command -v java >/dev/null || echo "no Java runtime found: the METEOR and PTB tokenizer tests will be skipped"
	@$(PY) -m pytest $(TESTS) $(PYTEST_ARGS)

test-compat: $(COMPAT:%=test-compat-%)  ## run the engine's tests beside the WebUIs' pins (COMPAT=oldest for one)

test-compat-%:
	@$(PYTHON) tools/environment.py compat $*
	@.venv-$*/bin/python -m pytest tests/engine $(PYTEST_ARGS)

lint: setup  ## check style
	@$(PY) -m ruff check .

benchmarks: setup  ## measure speed and memory, and write benchmarks/README.md (on a quiet machine)
	@for name in decoding training_step "bundled examples"; do \
		set -- $$name; PYTHONPATH=. $(PY) benchmarks/$$1.py $$2 || exit 1; done

clean:  ## remove the links and what tests leave behind (not the cached environments)
	rm -rf .venv .venv-* .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
