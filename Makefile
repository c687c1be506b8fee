# make demo   a real model to CPU code and to simulated RTL, and a report: demo/report.html
# make test   the whole test suite, on penstock as installed from a wheel
# Both make .venv and install what they need; Python 3.11+, venv and a C++ compiler must be there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml README.md LICENSE $(shell find *.py backends frontend ir passes reproduce rtl sim -type f \
	-not -name '*.pyc' 2>/dev/null)

# A test process a core, four at most: each takes a gigabyte or more.
WORKERS := -n logical --maxprocesses 4

.PHONY: demo test quick lint docs clean

demo: $(VENV)/demo.stamp
	rm -rf demo
	mkdir demo
	@set -e; export PATH="$$PWD/$(BIN):$$PATH"; start=$$(date +%s); \
	say() { echo; echo "== $$*  [$$(( $$(date +%s) - start )) s]"; }; \
	say "compile MiniLM, with its real weights, for this processor"; \
	penstock compile zoo:minilm-l6 -o demo/minilm; \
	say "compare it with PyTorch, layer by layer"; \
	penstock verify demo/minilm; \
	say "emit the linear layers of its first block as Verilog, weights in 4-bit BitMoD-FP4"; \
	penstock compile zoo:minilm-l6 --target bitmod-small --layer $(DEMO_LAYER) -o demo/block; \
	say "simulate them, and compare with the integer oracle and the cost model"; \
	penstock simulate demo/block; \
	say "report"; \
	penstock report demo/minilm demo/block -o demo/report.html; \
	say "done: open demo/report.html"

DEMO_LAYER := encoder.layer.0

test: $(VENV)/test.stamp
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m pytest tests $(WORKERS) --durations=15

quick: $(VENV)/test.stamp
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m pytest tests $(WORKERS) -m "not slow"

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/bin/python
	$(BIN)/pip install -q '.[docs]'
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build demo site *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "penstock needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 2; }
	@command -v c++ >/dev/null || { echo "penstock needs a C++ compiler: apt-get install g++" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# `build` holds modules deleted since the last installation, and setuptools would pack them again.
$(VENV)/demo.stamp: $(SOURCES) | $(VENV)/bin/python
	rm -rf build
	$(BIN)/pip install '.[rtl,zoo]'
	touch $@

$(VENV)/test.stamp: $(SOURCES) | $(VENV)/bin/python
	rm -rf build
	$(BIN)/pip install '.[test]'
	touch $@ $(VENV)/demo.stamp
