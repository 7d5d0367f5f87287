# From nothing but Python >= 3.11 and make: every goal first makes .venv, once, with the versions of constraints.txt.
#
#   make demo     the demo; ARGS="--seconds 3" goes to it      make bench    the benchmarks; ARGS as well
#   make test     all tests, with coverage                     make docs     the pages, into build/docs
#   make lint     style                                        make types    mypy, pyright, the wheel's types
#   make check    lint + types + docs + test                   make chaos    the long crash tests
#   make clean    remove what was built, keep .venv

PYTHON ?= python3
ARGS ?=
JOBS ?= 2

BIN := .venv/bin
INSTALLED := .venv/.installed
UV := $(shell command -v uv 2>/dev/null)
CODE := penstock runtime accumulators reactors graphs workflows

.DEFAULT_GOAL := help
.PHONY: help venv demo test check lint types bench docs chaos clean

help:
	@sed -n 's/^#  //p' $(firstword $(MAKEFILE_LIST))

venv: $(INSTALLED)

# The groups come first: they bring the build tool, so that the project itself builds without fetching anything.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Penstock needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another interpreter: make PYTHON=/path/to/python3.12" >&2; exit 1; }
ifdef UV
	@test -x $(BIN)/python || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt --group test --group lint --group docs
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt --no-build-isolation -e '.[demo]'
else
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  --group test --group lint --group docs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation \
	  -e '.[demo]'
endif
	@touch $@

demo: $(INSTALLED)
	$(BIN)/penstock demo $(ARGS)
