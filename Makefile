# make        sets up and builds everything on the embedded default, seeds to scores
# make test   sets up and runs every check and test

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := src scripts tests benchmarks

PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: build docs setup test lint tests soak published cluster generated lock environments clean

build: setup
	@$(BIN)/snakemake --cores all

setup: $(STAMP)

# Torch comes first and with its own dependencies: its CPU build (taken where pip finds one) has none to speak
# of, its CUDA build pins its libraries itself. Everything else is the lock, exactly: versions and hashes.
$(STAMP): envs/main.lock envs/torch.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r envs/torch.lock
	$(PIP) --no-deps --require-hashes -r envs/main.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

test: setup lint tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/basedpyright --level error
	$(BIN)/snakemake --lint

# In two processes, by file: much of the time goes to waiting, for Slurm, a server or a starting interpreter.
tests: setup cluster
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not soak and not engine and not published" --durations=15

# What takes longer than a test run may, or installs and starts container engines (as root).
soak: setup
	$(BIN)/pytest -m "(soak or engine) and not published" --durations=15

# The tests on other people's data: downloads benchmark data, published answers and their verdicts first.
published: setup
	$(BIN)/snakemake --cores all published_data
	$(BIN)/pytest -m published --durations=15

# The executor and storage plugins for clusters, beside everything else.
cluster: setup $(VENV)/.cluster

$(VENV)/.cluster: envs/cluster.lock
	$(PIP) --no-deps --require-hashes -r envs/cluster.lock
	@touch $@

# The documented default and the schema, from the models.
generated: setup
	$(BIN)/selfalign config default > config.yaml
	$(BIN)/selfalign config schema > schemas/config.schema.json
	$(BIN)/python envs/generate.py
	$(BIN)/python docs/generate.py

# The documentation, as pages in site/.
docs: setup
	$(BIN)/mkdocs build --strict

# Resolve pyproject.toml into envs/*.lock with uv, near what they have (then `make generated`).
lock: setup
	$(BIN)/python envs/lock.py

# Build every environment of the rules as its lock has it, and record what that takes.
environments: setup
	$(BIN)/python benchmarks/environments.py --json > $(VENV)/environments.json
	mv $(VENV)/environments.json benchmarks/results/environments.json

clean:
	rm -rf results/* .snakemake
