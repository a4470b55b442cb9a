# Each target sets up what it needs, the virtual environment and system packages included.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PARALLEL := -n $(WORKERS) --dist worksteal
ON_SERVERS := tests/integration tests/end_to_end $(PARALLEL) $(PYTEST)

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-matrix lint docs dist cleanroom audit bench setup tools matrix clean clean-engines

help:
	@echo "make demo         throw-away servers, sample data, backup, restore, comparison, report"
	@echo "make test         lint, types, layers, all tests with coverage"
	@echo "make test-faults  kills, full disks, broken networks, damaged files: hundreds of each"
	@echo "make test-matrix  the tests on servers, with MySQL 9, MariaDB 11.8, PostgreSQL 17 and 18"
	@echo "make lint         ruff, mypy, import-linter, ansible-lint"
	@echo "make docs         the pages that are made from the code"
	@echo "make dist         the wheel and the source archive, in dist/"
	@echo "make cleanroom    what the README promises, in a fresh Debian (as root; CLEANROOM='--suite trixie')"
	@echo "make audit        compare the pinned packages with the known faults of packages (needs the network)"
	@echo "make bench        measure against the bare pipelines"
	@echo "make clean        remove what was built here; clean-engines: the unpacked servers too"

demo: setup $(READY)
	$(BIN)/python -m scripts.demo $(DEMO)

test: tools lint
	@$(PYTHON) scripts/engines.py docker || echo "the tests of Docker will be skipped"
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term --cov-fail-under=90 $(PYTEST)

test-faults: tools $(READY)
	VYA_FAULTS_FULL=1 $(BIN)/python -m pytest tests/faults $(PARALLEL) --timeout 7200 $(PYTEST)

test-matrix: matrix $(READY)
	VYA_TEST_ENGINES=mysql-9,mariadb-11.8,postgresql-17 $(BIN)/python -m pytest $(ON_SERVERS)
	VYA_TEST_ENGINES=postgresql-18 $(BIN)/python -m pytest -k postgresql $(ON_SERVERS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts/bench scripts/cleanroom scripts/demo scripts/fuzz scripts/pages scripts/sample scripts/engines.py
	$(BIN)/lint-imports
	cd etc/ansible && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint --offline -q

docs: $(READY)
	$(BIN)/python -m scripts.pages

dist: $(READY)
	$(BIN)/python -m hatchling build

cleanroom: $(READY)
	$(BIN)/python -m scripts.cleanroom $(CLEANROOM)

audit:
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.audit/bin/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

bench: setup $(READY)
	$(BIN)/python -m scripts.bench $(BENCH)

setup:
	@PYTHON="$(PYTHON)" scripts/setup

tools:
	@PYTHON="$(PYTHON)" scripts/setup test

matrix:
	@PYTHON="$(PYTHON)" scripts/setup matrix

$(READY): pyproject.toml constraints.txt | setup
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .audit build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-engines:
	$(PYTHON) scripts/engines.py --remove
