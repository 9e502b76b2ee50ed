# The two commands: `make book` and `make test`. Both set up .venv on first use.
# The work is done by the command `onebasin` (.venv/bin/onebasin --help).
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test run check bench clean system-book system-test

PROFILE ?= smoke
CHAPTER ?=
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ONEBASIN := $(VENV)/bin/onebasin
PYTEST := $(PY) -m pytest -n 2 --dist loadfile

export OMP_NUM_THREADS ?= 1
export OPEN3D_DISABLE_WEB_VISUALIZER := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TQDM_DISABLE := 1

help:
	@echo "make book [PROFILE=smoke|laptop|gpu]   run the chapters that changed and build _build/html/index.html"
	@echo "make test                              test the library, run the chapters a second time, open every page"
	@echo "make run CHAPTER=inrs/line             run one chapter, or a part: CHAPTER=inrs"
	@echo "make check                             style, types, chapter rules, environment.yml"
	@echo "make bench                             timings side by side with the alternatives"
	@echo "make clean                             remove _build; .venv and the artifact store stay"

book: system-book $(VENV)/.stamp
	@env -u OMP_NUM_THREADS $(ONEBASIN) run --profile $(PROFILE)
	@env -u OMP_NUM_THREADS $(ONEBASIN) build --profile $(PROFILE)

run: system-book $(VENV)/.stamp
	@env -u OMP_NUM_THREADS $(ONEBASIN) run --profile $(PROFILE) $(CHAPTER)

test: system-test $(VENV)/.stamp
	@$(ONEBASIN) run --profile smoke
	@$(ONEBASIN) build --profile smoke
	@$(PYTEST) tests --ignore tests/second_run
	@$(PY) -m pytest tests/second_run

check: $(VENV)/.stamp
	@$(ONEBASIN) check

bench: system-book $(VENV)/.stamp
	@env -u OMP_NUM_THREADS $(PY) -m benchmarks

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache dist .snakemake

system-book:
	@.ci/system book

system-test:
	@.ci/system test

# pip says where it found each of 170 wheels; those lines are left out, errors are not.
$(VENV)/.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.11")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PY) -m pip install -q -c constraints.txt -e '.[book,test,bench,dev]' 2>&1 \
	  | { grep -v -e 'is ignored: it is ' -e 'notice. A new release' || true; }
	@touch $@
