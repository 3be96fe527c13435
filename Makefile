# The only entry points anyone needs. Each target does its own set-up.
PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS ?= --quiet --quiet --disable-pip-version-check
CODE := src tests bench

# PyTorch's threads give their core away while they wait: on a machine that does anything else that is far quicker.
export OMP_WAIT_POLICY ?= PASSIVE
export GOMP_SPINCOUNT ?= 1000
# What is compiled is kept, wherever that is turned off: tests start many processes, which would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=
# One process more than there are cores, so each may have one thread only; a file stays in one process, with its fixtures,
# and files are given out in the order of tests/sharing_out.py.
TESTS := -m pytest -q --numprocesses auto --dist loadfile --no-loadscope-reorder
# Below this share of lines the tests fail; what is printed is the rest.
FLOOR := 96

.PHONY: demo serve test quick check lint types test-minimum wheel-test default-model numbers bench format clean

demo: .venv/ready  ## draw scenes, train a small cascade, evaluate, index, search, write demo/report.html
	$(BIN)/crossgraph demo --out demo

serve: .venv/ready  ## open what `make demo` made as a page at http://127.0.0.1:8000
	test -d demo/gallery || $(MAKE) demo
	$(BIN)/crossgraph serve --gallery demo/gallery --runs demo/runs

test: .venv/ready  ## the test suite; warnings are errors, array shapes are checked
	OMP_NUM_THREADS=1 $(BIN)/python $(TESTS)

quick: .venv/ready  ## the tests that start no process and train nothing long
	OMP_NUM_THREADS=1 $(BIN)/python $(TESTS) -m 'not slow'

check: lint types .venv/ready  ## format, lint, types, and the test suite with the share of lines it runs
	OMP_NUM_THREADS=1 $(BIN)/python -m slipcover --json --out .lines.json $(TESTS)
	$(BIN)/python -m slipcover --merge .lines.json --out .lines.json --fail-under $(FLOOR)

lint: .venv/ready
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: .venv/ready
	$(BIN)/mypy

# The wheel as somebody gets it who has neither this folder nor anything else installed.
wheel-test: .venv/ready  ## build the wheel, install it into an empty environment, run its command
	rm -rf .venv-wheel dist build
	$(BIN)/pip wheel $(PIP_FLAGS) --no-deps --wheel-dir dist .
	$(BIN)/python -m zipfile --list dist/crossgraph-*.whl > dist/files.txt
	for file in $$(cd src && find crossgraph -type f ! -name '*.pyc' ! -name '*.py') licenses/LICENSE; do \
	  grep -q "$$file " dist/files.txt || { echo "not in the wheel: $$file"; exit 1; }; done
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/pip install $(PIP_FLAGS) --no-compile --constraint constraints.txt dist/crossgraph-*.whl
	cd dist && unset PYTHONPATH && for words in --version "methods list" doctor; do \
	  ../.venv-wheel/bin/crossgraph $$words || exit 1; done

test-minimum: .venv-minimum/ready  ## the test suite with the lowest versions that pyproject.toml allows
	OMP_NUM_THREADS=1 .venv-minimum/bin/python $(TESTS)

# FLICKR8K, RSICD and PHOTOS are folders of data (src/crossgraph/default_model/README.md says which). What is there already
# is not made again, src/crossgraph/default_model/cascade neither.
default-model: .venv/ready  ## train, put together, teach, calibrate and pack the model that the package carries
	$(BIN)/python bench/default_model/make.py --flickr8k $(FLICKR8K) --rsicd $(RSICD) --photos $(PHOTOS) --out runs/default

# ARGS=--list says what there is and what it costs, ARGS=--dry-run which commands would run; ONLY=racg,demo takes some. The
# data are those of default-model; the demo and drawn scenes need none.
numbers: .venv/ready  ## make the numbers that README and docs print again, and say which come out otherwise
	$(BIN)/python bench/numbers/remake.py $(ARGS) --only '$(ONLY)' --out '$(or $(OUT),runs/numbers)' \
	  $(if $(FLICKR8K),--flickr8k '$(FLICKR8K)') $(if $(RSICD),--rsicd '$(RSICD)') $(if $(PHOTOS),--photos '$(PHOTOS)')

bench: .venv/ready  ## measure against slow versions and peers; BENCH="pairs steps" takes some, OUT=FOLDER keeps JSON
	$(BIN)/crossgraph bench $(or $(BENCH),pairs two-stage steps codes map sentences) $(if $(OUT),--out '$(OUT)')

format: .venv/ready
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

.venv/ready: pyproject.toml constraints.txt
.venv-minimum/ready: pyproject.toml constraints-minimum.txt
.venv/ready .venv-minimum/ready:
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install $(PIP_FLAGS) --no-compile --constraint $(filter constraints%,$^) --editable '.[dev]'
	$(@D)/bin/python -m compileall -qq -j 0 $(@D)/lib || true  # on all cores; templates in packages are no Python
	touch $@

clean:
	rm -rf .venv .venv-* demo dist build .lines.json
