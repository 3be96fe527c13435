# The only entry points anyone needs. Each target does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS ?= --quiet --disable-pip-version-check

.PHONY: demo test check format clean

demo: .venv/ready  ## draw scenes, train a small cascade, evaluate, index, search, write demo/report.html
	$(BIN)/crossgraph demo --out demo

test: .venv/ready  ## the test suite; warnings are errors, array shapes are checked
	$(BIN)/python -m pytest -q

check: .venv/ready  ## format, lint, types, tests
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

format: .venv/ready
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo
