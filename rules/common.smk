# Shared by all files here: where things lie, how a stage is cut into shards, when code is stale.

from math import ceil

from selfalign.core.config.paths import find_bundled
from selfalign.core.config.staleness import decisive_values
from selfalign.core.fingerprint import CodeFingerprints
from selfalign.core.hashing import file_sha256
from selfalign.evaluate import sample_sets
from selfalign_snakemake.internals import as_input_called

RUN = f"{config['paths']['results']}/{config['run']}"
DOWNLOADS = config["paths"]["downloads"]

# A shard is a fixed number of records by absolute index: more records add shards and leave the others alone.
SHARD_SIZE = config["generation"]["shard_size"]
SHARDS = [f"{number:04d}" for number in range(ceil(config["seeds"]["count"] / SHARD_SIZE))]


FINGERPRINTS = CodeFingerprints(WORKFLOW / "src", cache=".snakemake/selfalign/fingerprints.json")


wildcard_constraints:
    shard=r"\d\d\d\d+",  # Snakemake cannot read braces in a constraint
    model="base|tuned",


def result(path):
    """Return where an artifact of this run lies, by its path within the run."""
    return f"{RUN}/{path}"


def fingerprint(script):
    """Return the fingerprint of scripts/<script>.py and the modules it reaches by imports."""
    return FINGERPRINTS.of(WORKFLOW / f"scripts/{script}.py")


def bundled(path):
    """Return a file that may come with the workflow, as an input.

    Where the workflow lies, and when it was copied there, makes nothing stale: the input goes by its `path`, and what
    changes with the file's contents is a parameter, :func:`contents`.
    """
    return as_input_called(ancient(local(str(find_bundled(path, WORKFLOW)))), path)


def contents(*paths):
    """Return the hashes of files that may come with the workflow, as a parameter of a rule that reads them."""
    return [file_sha256(find_bundled(path, WORKFLOW)) for path in paths]


def shard_bounds(wildcards):
    """Return [start, stop) of the shard's absolute record indices."""
    start = int(wildcards.shard) * SHARD_SIZE
    return [start, min(start + SHARD_SIZE, config["seeds"]["count"])]


def shards(stage, kind="shards", suffix=".jsonl"):
    """Return the paths of a stage's shards, in the order of their records."""
    return [f"{RUN}/{stage}/{kind}/{shard}{suffix}" for shard in SHARDS]


def server_input(model):
    """Return what it takes to have `model` served: its checkpoint, or nothing if a server runs elsewhere."""
    return [] if config["server"]["kind"] == "external" else f"{RUN}/model/{model}"


def server_gpus():
    """Return the GPUs of a job that asks the model: those of its own server, none where jobs share one."""
    server = config["server"]
    return server["gpus"] if server["lifetime"] == "job" and server["kind"] != "external" else 0


def settings(*keys):
    """Return the values of settings that decide outputs, by dotted key: the parameter `settings` of a rule."""
    return decisive_values(configured, *keys)


def model_title():
    """Return what the model is called in cards and reports."""
    return sample_sets.model_title(configured)


def growing(mem_mb):
    """Return `mem_mb` MiB as a resource that grows with every attempt: a job that ran out gets more."""

    def memory(wildcards, attempt):
        return mem_mb * attempt

    return memory


# What several workflows may share, with --cache (docs/how-to/scale.md); without it Snakemake would warn at every start.
CACHING = workflow.workflow_settings.cache is not None


def serving(elsewhere):
    """Return the environment of a job that asks the model: with a server of its own, or `elsewhere` if it runs elsewhere."""
    server = config["server"]
    if server["lifetime"] == "job" and server["kind"] == "vllm":
        return "serving-gpu" if server["gpus"] else "serving-cpu"
    return elsewhere


def environment(name):
    """Return the conda file of an environment (envs/environments.yaml), from where the rules are; for --sdm conda."""
    return f"../envs/{name}.yaml"


def image(name):
    """Return the image of an environment, for --sdm apptainer."""
    return f"{WORKFLOW}/containers/images/{name}.sif"
