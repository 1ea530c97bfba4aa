# make demo | test | lint | docs | gallery | bench DATA=DIR INVERSEBENCH=DIR | test-host INVERSEBENCH=DIR | test-fullwave
#
# Each target makes the virtual environment that it needs, once: a stamp file says that it is there.

PYTHON ?= python3
VENV ?= .venv
HOST_VENV ?= .venv-host
INVERSEBENCH ?= ../InverseBench
DATA ?= ../shared/data/microscopy

BIN := $(VENV)/bin
HOST_BIN := $(HOST_VENV)/bin
SETUP := setup.cfg pyproject.toml constraints.txt
SOURCES := lmaps_science problems hydra_plugins
HOST_REQUIREMENTS := tests/inversebench/requirements.txt

.PHONY: demo test lint docs gallery bench test-host test-fullwave clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/lmaps demo --out demo

test: lint
	$(BIN)/pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(SOURCES)

docs: $(VENV)/.installed-dev
	$(BIN)/python -W error docs/make_api.py

gallery: $(VENV)/.installed-dev
	$(BIN)/python docs/make_gallery.py

bench: $(VENV)/.installed-dev
	for study in covariances spread inner_solvers precision; do \
		$(BIN)/python benchmarks/$$study.py --data $(DATA) || exit 1; done
	$(BIN)/python benchmarks/methods.py --data $(DATA) --checkout $(INVERSEBENCH) --pixels 64

ifneq ($(wildcard $(INVERSEBENCH)/main.py),)
test-host: $(HOST_VENV)/.installed
	INVERSEBENCH=$(abspath $(INVERSEBENCH)) $(HOST_BIN)/pytest -m host tests/inversebench
else
test-host: $(VENV)/.installed-dev
	$(BIN)/pytest tests/inversebench/test_contract.py -m 'not host'
	@echo 'The recorded contract holds. InverseBench itself was NOT run: no main.py in $(INVERSEBENCH).'
	@echo 'git clone https://github.com/devzhk/InverseBench, then make test-host INVERSEBENCH=DIR'
endif

test-fullwave: $(HOST_VENV)/.installed
	$(HOST_BIN)/pip install --quiet deepinv
	$(HOST_BIN)/pytest -m fullwave tests

clean:
	rm -rf $(VENV) $(HOST_VENV) build docs/api

$(VENV)/.installed: $(SETUP)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(HOST_VENV)/.installed: $(SETUP) $(HOST_REQUIREMENTS)
	$(PYTHON) -m venv $(HOST_VENV)
	$(HOST_BIN)/pip install --quiet --requirement $(HOST_REQUIREMENTS) .
	touch $@
