# make demo | install | test | lint | bench | data | docs | dist | clean. Needs only make and Python 3.10 or newer; all else goes into .venv.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# A process for every core; tests of one file share theirs, and with it what the file sets up.
SPREAD := -n auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo install test test-all test-wheel test-lowest lint bench data docs dist clean

help:
	@echo "make demo   install the package in .venv and run its main job on the embedded network and images"
	@echo "make test   install what the tests need and run them (install: without running; test-all: the slow ones too)"
	@echo "make test-wheel  twelve tasks of users, from a wheel in an empty environment (.venv-wheel)"
	@echo "make test-lowest  the tests with the oldest libraries that are allowed (.venv-lowest); needs Python 3.10"
	@echo "make lint   ruff, mypy and the import rules"
	@echo "make bench  every speed benchmark; each prints a table"
	@echo "make data   say where networks and images come from that do not ship, and which are there"
	@echo "make dist   build sdist and wheel in dist and check them"
	@echo "make docs   write the reference pages anew and build the documentation in build/site"
	@echo "make clean  remove .venv and everything built"

demo: $(STAMPS)/run
	$(BIN)/xbarsim demo

install: $(STAMPS)/test

test: $(STAMPS)/test
	$(BIN)/python -m pytest $(SPREAD)

test-all: $(STAMPS)/test
	$(BIN)/python -m pytest -m "" $(SPREAD)

lint: $(STAMPS)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMPS)/test
	set -e; for file in benchmarks/speed/*.py; do echo "== $$file"; $(BIN)/python "$$file"; done

data: $(STAMPS)/run
	$(BIN)/python benchmarks/data.py

dist: $(STAMPS)/run
	$(BIN)/python -m pip install -q --disable-pip-version-check build twine check-wheel-contents
	rm -rf dist && $(BIN)/python -m build -q
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

test-wheel: dist $(STAMPS)/test
	rm -rf .venv-wheel && $(BIN)/python -m venv --without-pip .venv-wheel
	wheel=$$(ls dist/*.whl) && $(BIN)/python -m pip --python .venv-wheel/bin/python install -q "$$wheel[onnx,torch,cluster]" jsonschema nbclient ipykernel
	XBARSIM_TASK_PYTHON=$(CURDIR)/.venv-wheel/bin/python $(BIN)/python -m pytest -m slow tests/tasks

# The oldest libraries have no wheels for newer interpreters. Kernels are compiled into a cache of their own.
test-lowest:
	test -x .venv-lowest/bin/python || $(or $(PYTHON),python3.10) -m venv .venv-lowest
	.venv-lowest/bin/python packaging/lowest.py > .venv-lowest/lowest.txt
	.venv-lowest/bin/python -m pip install -q --disable-pip-version-check -r .venv-lowest/lowest.txt
	NUMBA_CACHE_DIR=$(CURDIR)/.venv-lowest/numba PYTHONPATH=$(CURDIR) .venv-lowest/bin/python -m pytest $(SPREAD) $(TESTS)

docs: $(STAMPS)/docs
	$(BIN)/python benchmarks/validation/key_pages.py
	$(BIN)/python benchmarks/validation/result_page.py
	$(BIN)/python benchmarks/validation/constants.py
	$(BIN)/python -m sphinx -W -q -b html docs build/site

clean:
	rm -rf $(VENV) .venv-wheel .venv-lowest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The newest interpreter that is 3.10 or newer. A Python without ensurepip borrows its own pip.
$(BIN)/python:
	@set -e; found=; \
	for name in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	  if command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "xbarsim needs Python 3.10 or newer; none found (make PYTHON=/path/to/python3)" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$found --version)"; \
	$$found -m venv $(VENV) 2>/dev/null || { \
	  rm -rf $(VENV); $$found -m venv --without-pip $(VENV); \
	  $$found -m pip --python $(VENV)/bin/python install -q pip; }

# A stamp is younger than what it was made from: an edit of setup.cfg installs anew, a second make does nothing.
$(STAMPS)/run: setup.cfg pyproject.toml Makefile | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: setup.cfg pyproject.toml Makefile | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[test,onnx,search]"
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/run

$(STAMPS)/docs: setup.cfg pyproject.toml Makefile | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[docs]"
	@mkdir -p $(STAMPS) && touch $@
