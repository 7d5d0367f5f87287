# From nothing but Python >= 3.11 and make: every goal first makes .venv, once, with the versions of constraints.txt.
#
#   make demo      the demo; ARGS="--seconds 3" goes to it
#   make test      all tests but the long crash tests; ARGS="tests/runtime -k cron" runs fewer
#   make check     what every change must pass: lint, types, docs, and the tests with their coverage
#   make lint      ruff
#   make types     mypy, pyright, and the types of the wheel
#   make docs      the pages, into build/docs
#   make kafka     a Kafka broker to play with, until Ctrl-C; ARGS="--port 9093" (needs Java 17 and, once, Maven)
#   make bench     the benchmarks
#   make chaos     the long crash tests
#   make clean     remove what was built, but not .venv

PYTHON ?= python3
ARGS ?=
# Twice the cores that CI has: tests wait for discs and for other processes as much as they compute.
JOBS ?= 4

BIN := .venv/bin
INSTALLED := .venv/.installed
UV := $(shell command -v uv 2>/dev/null)
BENCHMARKS = $(filter-out benchmarks/_%,$(wildcard benchmarks/*.py))
TYPED = $(wildcard tests/typing/*.py)

.DEFAULT_GOAL := help
.PHONY: help venv demo test coverage check lint types types-mypy types-pyright types-wheel bench docs chaos kafka clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

venv: $(INSTALLED)

# The groups come first: they bring the build tool, so that the project itself builds without fetching anything.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Penstock needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another interpreter: make PYTHON=/path/to/python3.12" >&2; exit 1; }
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt --group test --group lint --group docs
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt --no-build-isolation -e '.[demo,postgres]'
else
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --group test --group lint --group docs
	PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt --no-build-isolation -e '.[demo,postgres]'
endif
	@touch $@

demo: $(INSTALLED)
	$(BIN)/penstock demo $(ARGS)

# All tests but the chaos ones; ARGS="tests/runtime -k cron" runs fewer.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

# The same with every line and branch counted, the commands that tests start included.
coverage: $(INSTALLED)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(JOBS) --dist loadgroup $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

chaos: $(INSTALLED)
	$(BIN)/python -m pytest -m chaos --timeout 600 $(ARGS)

check: lint types docs coverage

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Three goals, so that --keep-going reports what each of them finds.
types: types-mypy types-pyright types-wheel

types-mypy types-pyright: types-%: $(INSTALLED)
	@$(BIN)/python scripts/link_tree.py
	$(BIN)/$*
	$(if $(TYPED),$(BIN)/$* $(TYPED))

types-wheel: $(INSTALLED)
	$(BIN)/python scripts/verify_types.py

docs: $(INSTALLED)
	$(BIN)/sphinx-build -W -n --keep-going -q -d build/doctrees docs build/docs

# The broker of the tests, in a temporary folder that is removed at the end.
kafka: $(INSTALLED)
	@$(BIN)/python -m scripts.kafka $(ARGS)

# Every file of benchmarks/ that does not begin with "_" is one benchmark.
bench: $(INSTALLED)
	@for file in $(BENCHMARKS); do echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

clean:
	rm -rf build dist *.egg-info .types .coverage .coverage.* htmlcov reports
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
