# What rules/evaluate.smk is made from: the sets of answers that are scored, and whether the released model answers anew.

import re
from functools import cache

from selfalign.core.config.preset import with_preset
from selfalign.evaluate.sample_sets import SampleSets

# The released model as its preset asks it, on the tasks that its published answers are about.
RELEASED = with_preset(config, WORKFLOW / "presets/released-model.yaml")
SETS = SampleSets(configured, RELEASED, results=RUN, downloads=DOWNLOADS)
SCORED = list(SETS.own)
SCORES = result("scores/{model}/{benchmark}")
REPRODUCED = result("reproduce/{published}")
RELEASED_SCORES = result("reproduce/released/{benchmark}")
GROUND_TRUTH = f"{DOWNLOADS}/ground_truth/{{name}}-{{version}}"


def alternatives(names):
    """Return a regular expression of these names; one that matches nothing useful without any."""
    return "|".join(map(re.escape, dict.fromkeys(names))) or "none"


wildcard_constraints:
    benchmark=alternatives(key for _, key in SCORED),
    published=alternatives(SETS.published),
    name="[a-z0-9_]+",
    version=r"[A-Za-z0-9._-]+",


def answer_set(wildcards):
    """Return the set of answers that a job is about."""
    return SETS.find(dict(wildcards.items()))


def benchmark_data(wildcards):
    """Return the data files of the job's benchmark."""
    choice = answer_set(wildcards).choice
    return SETS.data(choice.name, choice.version)


def benchmark_directory(wildcards):
    """Return the directory of the data files of the job's benchmark."""
    return SETS.data_directory(answer_set(wildcards).choice.name)


def ground_truth(wildcards):
    """Return the ground truth of the job's benchmark, if it has one."""
    choice = answer_set(wildcards).choice
    return SETS.ground_truth(choice.name, choice.version)


def sampling(wildcards):
    """Return the benchmark of a job and how it is sampled."""
    return answer_set(wildcards).sampling()


def sampling_settings(wildcards):
    """Return the settings that decide the samples of a job, besides :func:`sampling`."""
    asked = configured if "model" in wildcards.keys() else RELEASED
    # The tuned model's prompts do not depend on the layout of the base model's.
    layout = [] if wildcards.get("model") == "tuned" else ["evaluation.base_layout"]
    return decisive_values(asked, "run", "paths.results", "model", "evaluation.seed", *layout)


def scoring(wildcards):
    """Return the benchmark of a job and how its samples are scored."""
    return answer_set(wildcards).scoring()


def published_samples(wildcards):
    """Return the published answers of a job."""
    return SETS.published_file(answer_set(wildcards).published.samples)


def published_verdicts(wildcards):
    """Return the published verdicts of a job, if there are any."""
    verdicts = answer_set(wildcards).published.verdicts
    return SETS.published_file(verdicts) if verdicts else []


def scored_checkpoint(wildcards):
    """Return the checkpoint that the model is served from."""
    return server_input(wildcards.model)


@cache
def released_answers():
    """Return whether the released model answers anew; log it once with the reason. Looks at the machine, so only for `reproduce`."""
    from selfalign.doctor.released import decide
    from snakemake.logging import logger

    if config["reproduction"]["own_scores"] and config["model"]["id"] == RELEASED.model.id:
        return False  # this run is about it
    decision = decide(RELEASED)
    if workflow.is_main_process:
        what = "answers anew" if decision.anew else "does not answer anew"
        logger.info(f"reproduce: {RELEASED.model.id} {what}: {decision.why}")
    return decision.anew


def reproduced_sets():
    """Return the sets of answers in the reproduction table."""
    return SETS.reproduced(own=config["reproduction"]["own_scores"], released=released_answers())


def reproduction_rows(wildcards=None):
    """Return a row each for the reproduction table, as the arguments of `reproduction.ObtainedScore`."""
    return [
        (
            each.model,
            each.how,
            f"{each.directory}/score.json",
            f"{each.directory}/comparison.json" if each.published else None,
            None if each.published else SETS.published_verdicts(each),
        )
        for each in reproduced_sets()
    ]


def reproduction_files(wildcards):
    """Return what the reproduction table is made from."""
    anew = [each for each in reproduced_sets() if not each.published and SETS.published_verdicts(each)]
    return {
        "scores": [f"{each.directory}/score.json" for each in reproduced_sets()],
        "comparisons": [f"{each.directory}/comparison.json" for each in reproduced_sets() if each.published],
        "published": [SETS.published_verdicts(each) for each in anew],
        "verdicts": [f"{each.directory}/verdicts.jsonl" for each in anew],
        "summary": result("scores/summary.json") if config["reproduction"]["own_scores"] else [],
    }
