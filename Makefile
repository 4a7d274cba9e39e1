# kube_edu: `make lab` opens the workbook, `make test` runs every check.
# Both make the environment in .venv first, from the pinned requirements.txt.

PYTHON ?= python3
PORT ?= 8888
OPEN ?= 1
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help lab test lint types contracts unit notebooks labs bench nightly replay pins clean

help:
	@echo "make lab        open the labs in JupyterLab (PORT=8888, OPEN=0 for no browser)"
	@echo "make test       every check: lint, types, import contracts, tests, notebooks"
	@echo "make labs       make labs/ from solutions/, and run both anew"
	@echo "make bench      measure, and print a table"
	@echo "make nightly    the long proofs"
	@echo "make replay     repeat the run of a seed that failed: SEED=..."

lab: $(STAMP)
	@$(BIN)/kube-edu lab --port $(PORT) $(if $(filter 0,$(OPEN)),--no-browser)

test: lint types contracts unit notebooks

lint: $(STAMP)
	$(BIN)/ruff check kube_edu tests
	$(BIN)/ruff format --check kube_edu tests

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

unit: $(STAMP)
	$(BIN)/pytest -n 2 --dist loadfile

# The notebooks are run exactly as a student's machine would, and every output compared.
notebooks: $(STAMP)
	$(BIN)/python -m kube_edu.classroom.build --check
	$(BIN)/pytest -n 2 --dist loadfile --nbval --nbval-sanitize-with tests/nbval.cfg labs solutions

labs: $(STAMP)
	$(BIN)/python -m kube_edu.classroom.build

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks

nightly: $(STAMP)
	$(BIN)/pytest -n 2 -m nightly

replay: $(STAMP)
	$(BIN)/pytest tests/raft tests/etcd/chaos --seed $(SEED)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kube_edu needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Making the environment in .venv (once; some minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --disable-pip-version-check --progress-bar on --require-hashes -r requirements.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# For maintainers, when pyproject.toml changes (wants uv on the PATH).
pins:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
