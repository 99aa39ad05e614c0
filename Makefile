# make release   train the embedded miniature, release it and hear it (RELEASE=name ARGS="key=value ..." for others)
# make test      run the test suite
# make coverage  the same, with the lines that no test runs (twice the time)
# make faults    kill a run wherever it writes, fail a push wherever the Hub can, and complete both
# make fuzz      read changed checkpoints for a minute (SECONDS=600 for ten)
# make signing   sign a release with OpenSSF model signing as docs/signing.md says (downloads 170 MB)
# make bench     measure speed and memory of exports, a push and a sweep (15 GB of disk; ARGS="--scale small")
# make matrix    test with the oldest and the newest versions of what this builds on, and compare releases
# make interop   train with real AudioCraft, release, load with it and transformers (downloads 600 MB)
# make slurm     sweep on a Slurm of one node, and cancel and preempt its jobs (Debian: slurm-wlm munge)
# make ray       sweep by Ray, in an environment of its own (.venv-ray, 1 GB)
# make check     what CI runs: ruff, mypy, the tests
PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
RELEASE ?= musicgen_small
ARGS ?=
WORKERS ?= 2
SECONDS ?= 60

.DELETE_ON_ERROR:
.PHONY: help release test coverage faults fuzz signing bench matrix interop slurm ray check lint clean

help:
	@sed -n 's/^# //p' Makefile

$(BIN)/python:
	@echo "creating $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed, found: $$($(PYTHON) --version)."; \
	       echo "Name one: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing the pipeline into $(VENV) (a minute the first time)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "installing the test tools into $(VENV)"
	@$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo "installing the test tools and the extra fast into $(VENV)"
	@$(PIP) --editable '.[dev,fast]'
	@touch $@

release: $(VENV)/.installed
	@$(BIN)/python -m pipeline +release=$(RELEASE) $(or $(ARGS),validate=full)

test: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

coverage: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term --cov-fail-under=90 $(ARGS)

faults: $(VENV)/.installed-dev
	@KILL_STEP=1 FAULTS=all $(BIN)/python -m pytest -n $(WORKERS) tests/test_interruption.py \
	  tests/stages/push/faults $(ARGS)

fuzz: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.hostile.fuzz $(SECONDS)

signing: $(VENV)/.installed-dev
	@SIGNING=1 $(BIN)/python -m pytest tests/test_documentation.py $(ARGS)

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

matrix: $(VENV)/.installed-dev
	@$(BIN)/python -m tests.matrix $(ARGS)

interop: $(VENV)/.installed-dev
	@INTEROP=all $(BIN)/python -m pytest tests/interop $(ARGS)

slurm: $(VENV)/.installed-dev
	@SLURM=1 $(BIN)/python -m pytest tests/slurm tests/launchers $(ARGS)

ray:
	@$(MAKE) --no-print-directory VENV=.venv-ray .venv-ray/.installed-ray
	@RAY=1 .venv-ray/bin/python -m pytest tests/launchers $(ARGS)

# Ray's plugin wants a cloudpickle before 3, and so a joblib that does with it.
.venv-ray/.installed-ray: .venv-ray/bin/python pyproject.toml constraints.txt
	@echo "installing the pipeline, the test tools and Ray into .venv-ray"
	@sed '/^cloudpickle==/d; /^joblib==/d' constraints.txt > .venv-ray/constraints.txt
	@.venv-ray/bin/python -m pip --disable-pip-version-check install --quiet \
	  --constraint .venv-ray/constraints.txt --editable '.[dev,ray]'
	@touch $@

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint test

clean:
	@rm -rf $(VENV) .venv-matrix .venv-ray build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
