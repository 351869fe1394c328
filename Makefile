# Two commands do all the set-up: `make bench` and `make test`. `make check` is exactly what CI checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 1

.PHONY: bench quick test check slow benchmarks regress clean

bench: $(VENV)/installed
	$(BIN)/python -m bench run --matrix full --seeds $(SEEDS) --jobs auto --out results/bench

quick: $(VENV)/installed
	$(BIN)/python -m bench run --matrix quick --seeds 1

test: $(VENV)/installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/test

slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow

check: $(VENV)/installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

benchmarks: $(VENV)/installed-dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only --benchmark-json=results/benchmarks.json

regress: $(VENV)/installed
	$(BIN)/python -m bench regress

# torch first and by its exact version: a looser range may bring gigabytes of CUDA libraries
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
