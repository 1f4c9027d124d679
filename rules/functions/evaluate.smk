# Parameters and input functions of rules/evaluate.smk: the sample sets, and whether the released model is run.

import re
from functools import cache

from selfalign.core.config import with_preset
from selfalign.evaluate.sample_sets import SampleSets

# The configuration of the released model, which generates samples for the benchmarks with published samples.
RELEASED = with_preset(config, WORKFLOW / "presets/released-model.yaml")
SETS = SampleSets(configured, RELEASED, results=RUN, downloads=DOWNLOADS, first_round=FIRST)
SCORED = list(SETS.own)
SCORES = result("scores/{model}/{layout}/{benchmark}")
REPRODUCED = result("reproduce/{published}")
RELEASED_SCORES = result("reproduce/released/{benchmark}")
# The constraint stands in the pattern: as one of the workflow, it did not hold in a test with outputs in S3.
GROUND_TRUTH = f"{DOWNLOADS}/ground_truth/{{name,[a-z0-9_]+}}-{{version}}"
REFERENCES = f"{DOWNLOADS}/references/{{name,[a-z0-9_]+}}-{{version}}"


def alternatives(names):
    """Return a regular expression that matches these names, or a placeholder if there are none."""
    return "|".join(map(re.escape, dict.fromkeys(names))) or "none"


wildcard_constraints:
    layout="own|reference|plain",
    benchmark=alternatives(key for _, _, key in SCORED),
    published=alternatives(SETS.published),
    version=r"[A-Za-z0-9._-]+",


def sample_set(wildcards):
    """Return the sample set of a job."""
    return SETS.find(dict(wildcards.items()))


def benchmark_data(wildcards):
    """Return the data files of the benchmark of a job."""
    choice = sample_set(wildcards).choice
    return SETS.data(choice.name, choice.version)


def repaired_samples(wildcards):
    """Return the samples that those of a job repair, and their verdicts; nothing if the benchmark repairs none."""
    return SETS.repaired(dict(wildcards.items()))


def benchmark_directory(wildcards):
    """Return the directory of the data files of the benchmark of a job."""
    return SETS.data_directory(sample_set(wildcards).choice.name)


def ground_truth(wildcards):
    """Return the ground truth of the benchmark of a job, if it has one."""
    choice = sample_set(wildcards).choice
    return SETS.ground_truth(choice.name, choice.version)


def references(wildcards):
    """Return the results of the reference solutions of the benchmark of a job, if it has any."""
    choice = sample_set(wildcards).choice
    return SETS.references(choice.name, choice.version)


def scoring_environment(wildcards):
    """Return the directory of the environment in which the programs of a job run, if it is installed."""
    return installed(sample_set(wildcards).environment)


def sampling(wildcards):
    """Return the benchmark of a job with its sampling parameters."""
    return sample_set(wildcards).sampling()


def sampling_settings(wildcards):
    """Return the settings that decide the samples of a job, besides :func:`sampling`."""
    used = RELEASED if list(wildcards.keys()) == ["benchmark"] else configured
    return decisive_values(used, "run", "paths.results", "model", "evaluation.seed")


def scoring(wildcards):
    """Return the benchmark of a job with its scoring parameters."""
    return sample_set(wildcards).scoring()


def published_samples(wildcards):
    """Return the published samples of a job."""
    return SETS.published_file(sample_set(wildcards).published.samples)


def published_verdicts(wildcards):
    """Return the published verdicts of a job, if available."""
    verdicts = sample_set(wildcards).published.verdicts
    return SETS.published_file(verdicts) if verdicts else []


def scored_checkpoint(wildcards):
    """Return the checkpoint of the model of a job."""
    return server_input(wildcards.model)


def base_of_adapter():
    """Return the base model that an adapter is served with; nothing if the training makes a whole checkpoint."""
    training = config["training"]
    whole = training["method"] == "full" or training["lora"]["merge"]
    return [] if whole else server_input("base")


def adapted_checkpoint(wildcards):
    """Return the base model that the adapter of a job is served with; nothing if the job serves a whole checkpoint."""
    return [] if wildcards.model == "base" else base_of_adapter()


def tokenizer_source(wildcards):
    """Return the checkpoint with the tokenizer and chat template of a job: the base model, or nothing if it is on the hub."""
    if wildcards.layout == "plain" or (
        config["server"]["kind"] == "external" and config["model"]["source"] == "hub"
    ):
        return []
    return shared("model/base")


def outputs_of_unknown_checkpoints():
    """Return the existing outputs of checkpoints whose jobs are not known yet, for the record of interrupted builds."""
    if not internals.planned_wildcards(workflow, "checkpoint_steps"):
        return []
    scores = result("scores/checkpoints/")
    return [path for path in internals.output_records() if path.startswith(scores) and Path(path).exists()]


@cache
def released_runs():
    """Return whether to generate samples with the released model, and log the reason once.

    The decision depends on the machine, so it is only made if `reproduce` is requested.
    """
    from selfalign.doctor.released import decide
    from snakemake.logging import logger

    if config["reproduction"]["own_scores"] and config["model"]["id"] == RELEASED.model.id:
        return False  # it is the base model of this run
    decision = decide(RELEASED)
    if workflow.is_main_process:
        what = "generates new samples" if decision.anew else "generates no new samples"
        logger.info(f"reproduce: {RELEASED.model.id} {what}: {decision.why}")
    return decision.anew


def reproduced_sets():
    """Return the sample sets of the reproduction table."""
    return SETS.reproduced(own=config["reproduction"]["own_scores"], released=released_runs())


def reproduction_rows(wildcards=None):
    """Return the rows of the reproduction table, as a parameter."""
    return SETS.table_rows(reproduced_sets())


def reproduction_files(wildcards):
    """Return the input files of the reproduction table."""
    own = config["reproduction"]["own_scores"]
    return {
        **SETS.table_inputs(reproduced_sets()),
        "summary": result("scores/summary.json") if own else [],
    }
