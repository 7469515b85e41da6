# make demo      installs the library here (.venv) and runs the flights example, from a CSV file to a gRPC answer
# make test      checks and tests (without those marked slow); make test-all: every test
# make check     ruff, mypy --strict, import-linter
# make lock      resolves requirements/ anew with uv
# make clean     removes what the other targets made

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test test-all check lock clean

# 3.11 and 3.10 first: their wheels run on any Linux; those of 3.12 and 3.13 need glibc 2.39 (docs/installing.md).
IS_SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.10 python3.13 python3.12 python3; do \
	if $$p -c '$(IS_SUPPORTED)' 2>/dev/null; then echo $$p; break; fi; done)
VERSION = $(shell $(PYTHON) -c 'import sys; print("py%d%d" % sys.version_info[:2])')
CONSTRAINTS = requirements/constraints-$(VERSION).txt
INSTALL = $(if $(shell command -v uv),uv pip install --python .venv/bin/python,.venv/bin/python -m pip install --disable-pip-version-check)
INPUTS = setup.py pyproject.toml $(CONSTRAINTS)
RUN := .venv/bin/python

demo: .venv/.installed-examples
	$(RUN) examples/flights/run.py

# Every process of tests imports TensorFlow: more than four would want more memory than most machines have to spare.
PYTEST := $(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile

test: check
	$(PYTEST) -m "not slow"

test-all: check
	$(PYTEST)

check: .venv/.installed-test
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.10, 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed-examples: $(INPUTS) | .venv/bin/python
	$(INSTALL) --quiet -c $(CONSTRAINTS) -e '.[examples]'
	@touch $@

.venv/.installed-test: $(INPUTS) | .venv/bin/python
	$(INSTALL) --quiet -c $(CONSTRAINTS) -e '.[all,test]'
	@touch $@ .venv/.installed-examples

.venv-lock/bin/uv:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet uv

# Set A for Python 3.10 and 3.11, set B for 3.12 and 3.13; TFX 1.16 is the peer of benchmarks/chain.py.
GLIBC_A := x86_64-manylinux2014
GLIBC_B := x86_64-manylinux_2_39
LOCK = .venv-lock/bin/uv pip compile --quiet --upgrade --no-annotate --custom-compile-command "make lock"
lock: .venv-lock/bin/uv
	$(LOCK) setup.py --all-extras --python-version 3.10 --python-platform $(GLIBC_A) -o requirements/constraints-py310.txt
	$(LOCK) setup.py --all-extras --python-version 3.11 --python-platform $(GLIBC_A) -o requirements/constraints-py311.txt
	$(LOCK) setup.py --all-extras --python-version 3.12 --python-platform $(GLIBC_B) -o requirements/constraints-py312.txt
	$(LOCK) setup.py --all-extras --python-version 3.13 --python-platform $(GLIBC_B) -o requirements/constraints-py313.txt
	$(LOCK) requirements/tfx.in --python-version 3.10 --python-platform $(GLIBC_A) -o requirements/constraints-tfx-py310.txt

clean:
	rm -rf .venv .venv-lock .venv-tfx build dist *.egg-info runs .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
