# The doors of the project. Everything runs in .venv, which `make setup` makes and the other targets bring up to date.

PYTHON ?= python3
COMPAT ?= oldest forge last4
PY := .venv/bin/python
TESTS ?= tests
PYTEST_ARGS ?=
WORKERS ?= auto
UI_ARGS ?=

# One process a core, one thread a process; what shares something slow to make stays in one process (tests/conftest.py).
RUN_TESTS := OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo ui screenshots test test-browser test-ui-environments test-compat test-processors lint benchmarks clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:  ## make .venv, or find it ready (kept in a cache outside the checkout)
	@$(PYTHON) tools/environment.py main

demo: setup  ## caption the example photos with the bundled model
	@HF_HUB_OFFLINE=1 $(PY) -m clipcap_ext demo

ui:  ## open the Caption tab without a WebUI (UI_ARGS="--open --port 7870")
	@$(PYTHON) tools/environment.py compat gradio6
	@.venv-gradio6/bin/python -m clipcap_ext ui $(UI_ARGS)

screenshots: setup test-ui-environments  ## make docs/*.png from the tab in a browser
	@$(PY) tests/webui/browser/screenshots.py

test-ui-environments:
	@for name in gradio3 gradio4 gradio6; do $(PYTHON) tools/environment.py compat $$name >/dev/null || \
		echo "the environment $$name could not be made: the browser tests under it will be skipped"; done

test: setup test-ui-environments  ## run the tests (TESTS=tests/engine for a part)
	@command -v chromedriver >/dev/null || echo "no Chromium with chromedriver found: the tab's browser tests will be skipped"
	@command -v java >/dev/null || echo "no Java runtime found: the METEOR and PTB tokenizer tests will be skipped"
	@$(RUN_TESTS) $(TESTS) $(PYTEST_ARGS)

test-browser: setup test-ui-environments  ## try the tab in Chromium under gradio 3.41 and 4.40
	@$(PY) -m pytest tests/webui/browser $(PYTEST_ARGS)

test-compat: $(COMPAT:%=test-compat-%)  ## run the engine's tests beside the WebUIs' pins (COMPAT=oldest for one)

test-compat-%:
	@$(PYTHON) tools/environment.py compat $*
	@$(subst $(PY),.venv-$*/bin/python,$(RUN_TESTS)) tests/engine tests/hub $(PYTEST_ARGS)

test-processors: setup  ## run the tests with AVX2 and with SSE, 1 and 2 threads (TESTS=tests/engine for a part)
	@$(PY) tools/processors.py $(TESTS) $(PYTEST_ARGS)

lint: setup  ## check style and types
	@$(PY) -m ruff check .
	@$(PY) -m mypy

benchmarks: setup  ## measure speed and memory, and write benchmarks/README.md (on a quiet machine)
	@for name in decoding training_step streaming loading fast_start "bundled clipcap_ext/examples"; do \
		set -- $$name; PYTHONPATH=. $(PY) benchmarks/$$1.py $$2 || exit 1; done

clean:  ## remove the links and what tests leave behind (not the cached environments)
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
