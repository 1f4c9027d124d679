# make        set up, and build the embedded default from seeds to scores
# make test   set up, and run all checks and tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := src scripts tests benchmarks

PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: build docs setup test lint tests soak hostile livecodebench-peer published stability ds1000 cluster generated lock environments gpu clean

build: setup
	@$(BIN)/snakemake --cores all

setup: $(STAMP)

# torch is installed first, with its own dependencies: its CUDA build pins its libraries, and its CPU build (used if pip finds
# one) has hardly any. All other packages have the versions and hashes of the lock file.
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

# In two processes, by file, since many tests wait for Slurm, a server or a new interpreter.
# A crashed process ends the run: pytest-xdist can wait forever for the one that replaces it.
tests: setup cluster
	$(BIN)/pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder -m "not soak and not engine and not published and not ds1000" --durations=15

# Tests that take longer, or install and start container engines (as root).
soak: setup
	$(BIN)/pytest -m "(soak or engine) and not published and not ds1000" --durations=15

# The table of hostile programs, recorded in the documentation.
hostile: setup
	$(BIN)/python -m tests.sandbox.report > $(VENV)/hostile.md
	mv $(VENV)/hostile.md docs/reference/hostile.md

# Record the verdicts of nvidia-livecodebench on our records, and compare ours with them.
livecodebench-peer: setup
	cd tests/evaluate && ../../$(BIN)/python record_peer.py
	$(BIN)/pytest tests/evaluate/test_against_livecodebench.py

# Tests on published data: downloads benchmark data, published samples and their verdicts first.
published: setup
	$(BIN)/snakemake --cores all published_data
	$(BIN)/pytest -m published --durations=15

# Score the same samples of HumanEval+ and MBPP+ 20 times with all cores busy, and record the tasks whose verdicts vary.
stability: setup
	$(BIN)/snakemake --cores all published_data
	$(BIN)/python benchmarks/verdict_stability.py --json > $(VENV)/stability.json
	mv $(VENV)/stability.json benchmarks/results/verdict_stability.json

# Tests on records of all libraries of DS-1000: installs its environment first (3 GB).
ds1000: setup
	$(BIN)/selfalign sandbox install ds1000
	$(BIN)/pytest -m ds1000 --durations=15

# Add the executor and storage plugins for clusters.
cluster: setup $(VENV)/.cluster

$(VENV)/.cluster: envs/cluster.lock
	$(PIP) --no-deps --require-hashes -r envs/cluster.lock
	@touch $@

# Generate config.yaml, the schema, the environments and the reference pages.
generated: setup
	$(BIN)/selfalign config default > config.yaml
	$(BIN)/selfalign config schema > schemas/config.schema.json
	$(BIN)/python envs/generate.py
	$(BIN)/python docs/generate.py

# Build the documentation in site/.
docs: setup
	$(BIN)/mkdocs build --strict

# Resolve pyproject.toml into envs/*.lock with uv, keeping locked versions if possible (then run `make generated`).
lock: setup
	$(BIN)/python envs/lock.py

# Build every environment of the rules from its lock file, and record sizes and times.
environments: setup
	$(BIN)/python benchmarks/environments.py --json > $(VENV)/environments.json
	mv $(VENV)/environments.json benchmarks/results/environments.json

# Measure training on one GPU, with the Python of a machine that has torch, transformers and accelerate: no set-up, no
# network, under ten minutes. Without a GPU, a minute on a tiny model.
gpu:
	@PYTHONPATH=src $(PYTHON) benchmarks/gpu.py --json

clean:
	rm -rf results/* .snakemake
