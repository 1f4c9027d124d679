# Shared by all rules: paths, shards, and the parameters that make outputs stale.

from math import ceil

from selfalign.core.config.paths import find_bundled
from selfalign.core.config.staleness import decisive_values
from selfalign.core.fingerprint import CodeFingerprints
from selfalign.core.hashing import file_sha256
from selfalign.evaluate import sample_sets
from selfalign_snakemake.internals import as_input_called

# Directory of the run, which is that of its first round.
FIRST = f"{config['paths']['results']}/{config['run']}"
RUN = FIRST if ROUND == 1 else f"{FIRST}/round-{ROUND}"
DOWNLOADS = config["paths"]["downloads"]

# A shard is a fixed range of absolute record indices, so that more records add shards and do not change existing ones.
SHARD_SIZE = config["generation"]["shard_size"]
SHARDS = [f"{number:04d}" for number in range(ceil(configured.records / SHARD_SIZE))]


FINGERPRINTS = CodeFingerprints(WORKFLOW / "src", cache=".snakemake/selfalign/fingerprints.json")


wildcard_constraints:
    shard=r"\d\d\d\d+",  # Snakemake cannot read braces in a constraint
    model="base|tuned|preferred" if config["preferences"]["enabled"] else "base|tuned",


def result(path):
    """Return the path of an artifact of this round, from its path within the run."""
    return f"{RUN}/{path}"


def shared(path):
    """Return the path of an artifact of the first round that all rounds use, from its path within the run."""
    return f"{FIRST}/{path}"


def fingerprint(script):
    """Return the fingerprint of scripts/<script>.py and of all modules that it imports, directly or indirectly."""
    return FINGERPRINTS.of(WORKFLOW / f"scripts/{script}.py")


def bundled(path):
    """Return a file that may be bundled with the workflow, as an input.

    Neither the location of the workflow nor the modification time of the file makes outputs stale: Snakemake records
    the input as `path`, and the parameter :func:`contents` changes with the contents of the file.
    """
    return as_input_called(ancient(local(str(find_bundled(path, WORKFLOW)))), path)


def contents(*paths):
    """Return the hashes of files that may be bundled with the workflow, as a parameter of a rule that reads them."""
    return [file_sha256(find_bundled(path, WORKFLOW)) for path in paths]


def shard_bounds(wildcards):
    """Return [start, stop) of the shard's absolute record indices."""
    start = int(wildcards.shard) * SHARD_SIZE
    return [start, min(start + SHARD_SIZE, configured.records)]


def shards(stage, kind="shards", suffix=".jsonl"):
    """Return the paths of a stage's shards, in the order of their records."""
    return [f"{RUN}/{stage}/{kind}/{shard}{suffix}" for shard in SHARDS]


def server_input(model):
    """Return the input of a job that sends requests to `model`: its checkpoint, or nothing for an external server."""
    if config["server"]["kind"] == "external":
        return []
    return shared("model/base") if model == "base" else result(f"model/{model}")


def server_gpus():
    """Return the number of GPUs of a job that sends requests: those of its own servers, or 0 if they are shared."""
    server = config["server"]
    own = server["lifetime"] == "job" and server["kind"] != "external"
    return server["gpus"] * server["replicas"] if own else 0


def settings(*keys):
    """Return the values of settings that decide outputs, by dotted key: the parameter `settings` of a rule."""
    return decisive_values(configured, *keys)


def model_title():
    """Return the name of the base model in cards and reports."""
    return sample_sets.model_title(configured)


def growing(mem_mb):
    """Return `mem_mb` MiB as a resource that increases with every attempt, for jobs that ran out of memory."""

    def memory(wildcards, attempt):
        return mem_mb * attempt

    return memory


include: "functions/rounds.smk"
include: "functions/hub.smk"
include: "functions/start.smk"
include: "functions/preferences.smk"


# Outputs may be shared between workflows with --cache (docs/how-to/scale.md). Snakemake warns at every start if rules
# are marked for caching without that option.
CACHING = workflow.workflow_settings.cache is not None


def serving(elsewhere):
    """Return the environment of a job that sends requests: of vLLM if the job starts its own server, otherwise `elsewhere`."""
    server = config["server"]
    if server["lifetime"] == "job" and server["kind"] == "vllm":
        return "serving-gpu" if server["gpus"] else "serving-cpu"
    return elsewhere


def environment(name):
    """Return the conda file of an environment (envs/environments.yaml), relative to rules/, for --sdm conda."""
    return f"../envs/{name}.yaml"


def image(name):
    """Return the image of an environment, for --sdm apptainer."""
    return f"{WORKFLOW}/containers/images/{name}.sif"
