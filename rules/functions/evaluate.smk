# What rules/evaluate.smk is made from: its parameters and input functions.

import re
from functools import cache
from pathlib import Path

from selfalign.benchmarks import definition_sha256, load_definition
from selfalign.core.config.evaluation import BenchmarkChoice, EvaluationConfig, PublishedSamples
from selfalign.core.config.preset import with_preset

CHOICES = {
    choice.key: choice for choice in map(BenchmarkChoice.model_validate, config["evaluation"]["benchmarks"])
}
PUBLISHED = {
    samples.key: samples
    for samples in map(PublishedSamples.model_validate, config["evaluation"]["published_samples"])
}
SCORED = [(model, key) for model in config["evaluation"]["models"] for key in CHOICES]
SCORES = result("scores/{model}/{benchmark}")
TRUTH = f"{DOWNLOADS}/ground_truth/{{name}}-{{version}}.jsonl"
TRUTH_LIMITS = f"{DOWNLOADS}/ground_truth/{{name}}-{{version}}.limits.json"

ANEW = "answers generated anew"
# The released model as its preset asks it, on the tasks that its published samples answer.
RELEASED = with_preset(config, f"{workflow.basedir}/presets/released-model.yaml")
RELEASED_CHOICES = {
    choice.key: choice.model_copy(update={"data": samples.data})
    for choice in RELEASED.evaluation.benchmarks
    for samples in PUBLISHED.values()
    if (samples.model, samples.benchmark, samples.version) == (RELEASED.model.id, choice.name, choice.version)
}
RELEASED_MODEL = RELEASED.model.model_dump(exclude={"name"})
RELEASED_SCORES = result("reproduce/released/{benchmark}")
RELEASED_BENCHMARK = "|".join(map(re.escape, RELEASED_CHOICES)) or "none"


wildcard_constraints:
    benchmark="|".join(map(re.escape, CHOICES)),
    published="|".join(map(re.escape, PUBLISHED)) or "none",
    name="[a-z0-9_]+",
    version=r"[A-Za-z0-9._-]+",


def data_location(name, configured):
    """Return where a benchmark's data lie: the configured path, nowhere (a package), or our downloads."""
    if configured:
        return configured.format(shared=config["paths"]["shared"])
    files = load_definition(name).version_named(None)[1].files
    return None if all(each.package for each in files) else f"{DOWNLOADS}/benchmarks/{name}"


def data_files(name, version, configured):
    """Return the data files of a benchmark's version that a job reads."""
    location = data_location(name, configured)
    if location is None:
        return []
    if configured and not Path(location).is_dir():
        return [local(location)]
    files = [f"{location}/{each.file}" for each in load_definition(name).version_named(version)[1].files]
    return [local(path) for path in files] if configured else files


def benchmark_data(wildcards):
    """Return the data files of the benchmark that a job of this stage is about."""
    choice = CHOICES[wildcards.benchmark]
    return data_files(choice.name, choice.version, choice.data)


def ground_truth_of(name, version):
    """Return the paths of a ground truth, outputs and limits; nothing for a benchmark without one."""
    definition = load_definition(name)
    if definition.format not in ("evalplus", "evoeval"):
        return []
    version = definition.version_named(version)[0]
    return [path.format(name=name, version=version) for path in (TRUTH, TRUTH_LIMITS)]


def benchmark_truth(wildcards):
    """Return the ground truth that a scoring job needs, if any."""
    choice = CHOICES[wildcards.benchmark]
    return ground_truth_of(choice.name, choice.version)


def truth_location(wildcards):
    """Return the configured local path of the data that a ground truth is of, or None."""
    wanted = (wildcards.name, wildcards.version)
    known = [
        *((choice.name, choice.version, choice.data) for choice in CHOICES.values()),
        *((each.benchmark, each.version, each.data) for each in PUBLISHED.values()),
    ]
    for name, version, data in known:
        if (name, load_definition(name).version_named(version)[0]) == wanted:
            return data
    return None


def truth_data(wildcards):
    """Return the data files that a ground truth is of."""
    return data_files(wildcards.name, wildcards.version, truth_location(wildcards))


def truth_data_location(wildcards):
    """Return where :func:`truth_data` lie."""
    return data_location(wildcards.name, truth_location(wildcards))


def benchmark_data_location(wildcards):
    """Return where :func:`benchmark_data` lie."""
    choice = CHOICES[wildcards.benchmark]
    return data_location(choice.name, choice.data)


def published_data(wildcards):
    """Return the data files of the benchmark that published samples are answers to."""
    each = PUBLISHED[wildcards.published]
    return data_files(each.benchmark, each.version, each.data)


def published_data_location(wildcards):
    """Return where :func:`published_data` lie."""
    each = PUBLISHED[wildcards.published]
    return data_location(each.benchmark, each.data)


def published_truth(wildcards):
    """Return the ground truth that scoring published samples needs, if any."""
    each = PUBLISHED[wildcards.published]
    return ground_truth_of(each.benchmark, each.version)


def published_files(wildcards):
    """Return the published samples and verdicts."""
    each = PUBLISHED[wildcards.published]
    shared = config["paths"]["shared"]
    return [path.format(shared=shared) for path in (each.samples, each.verdicts) if path]


def obtained_scores(wildcards=None):
    """Return a row each for the reproduction table, as the arguments of `reproduction.Obtained`."""
    again = [
        (
            each.model,
            "published answers, scored again" + (", floats compared exactly" if each.exact_floats else ""),
            result(f"reproduce/{key}/score.json"),
            result(f"reproduce/{key}/comparison.json"),
            None,
        )
        for key, each in PUBLISHED.items()
    ]
    released = [
        (
            RELEASED.model.id,
            ANEW,
            f"{RELEASED_SCORES}/score.json".format(benchmark=key),
            None,
            published_verdicts(RELEASED.model.id, choice),
        )
        for key, choice in RELEASED_CHOICES.items()
        if released_answers()
    ]
    if not config["evaluation"]["generate_published"]:
        return again + released
    anew = [
        (
            model_title() if model == "base" else f"{model_title()}, tuned here",
            ANEW,
            f"{SCORES}/score.json".format(model=model, benchmark=key),
            None,
            published_verdicts(model_title(), CHOICES[key]) if model == "base" else None,
        )
        for model, key in SCORED
    ]
    return again + released + anew


@cache
def released_answers():
    """Return whether the released model answers anew; says so once, and why. Looks at the machine, so only for `reproduce`."""
    from selfalign.doctor.released import decide
    from snakemake.logging import logger

    if config["evaluation"]["generate_published"] and config["model"]["id"] == RELEASED.model.id:
        return False  # this run is about it
    decision = decide(RELEASED)
    if workflow.is_main_process:
        what = "answers anew" if decision.anew else "does not answer anew"
        logger.info(f"reproduce: {RELEASED.model.id} {what}: {decision.why}")
    return decision.anew


def reproduction_files(wildcards):
    """Return what the reproduction table is made from."""
    rows = obtained_scores()
    return {
        "scores": [score for _, _, score, _, _ in rows],
        "comparisons": [comparison for _, _, _, comparison, _ in rows if comparison],
        "published": [published for *_, published in rows if published],
        "verdicts": [
            str(Path(score).with_name("verdicts.jsonl")) for _, _, score, _, published in rows if published
        ],
        "summary": result("scores/summary.json") if config["evaluation"]["generate_published"] else [],
    }


def published_verdicts(model, choice):
    """Return the published verdicts on the model's answers to `choice`, if there are."""
    wanted = (model, choice.name, load_definition(choice.name).version_named(choice.version)[0])
    for each in PUBLISHED.values():
        if each.verdicts and (each.model, each.benchmark, each.version) == wanted:
            return each.verdicts.format(shared=config["paths"]["shared"])
    return None


def released_data(wildcards):
    """Return the data files of a benchmark that the released model is asked."""
    choice = RELEASED_CHOICES[wildcards.benchmark]
    return data_files(choice.name, choice.version, choice.data)


def released_data_location(wildcards):
    """Return where :func:`released_data` lie."""
    choice = RELEASED_CHOICES[wildcards.benchmark]
    return data_location(choice.name, choice.data)


def released_truth(wildcards):
    """Return the ground truth that scoring the released model's answers needs."""
    choice = RELEASED_CHOICES[wildcards.benchmark]
    return ground_truth_of(choice.name, choice.version)


def released_settings(wildcards):
    """Return what decides the released model's answers to a benchmark."""
    return answer_settings(RELEASED_CHOICES[wildcards.benchmark], "base", RELEASED.evaluation)


def benchmark_settings(wildcards):
    """Return what decides the answers to a benchmark that a job of this stage is about."""
    evaluation = EvaluationConfig.model_validate(config["evaluation"])
    return answer_settings(CHOICES[wildcards.benchmark], wildcards.model, evaluation)


def answer_settings(choice, model, evaluation):
    """Return what decides a model's answers: the benchmark's definition and the configured sampling."""
    plain = model == "base" and evaluation.base_layout == "plain"
    return {
        **choice.model_dump(exclude={"data"}),
        "definition": definition_sha256(choice.name),
        "layout": "plain" if plain else "chat",
        "seed": evaluation.seed,
    }


def time_limits():
    """Return the configured time limits of the ground truth."""
    return {key: config["evaluation"][key] for key in ("min_time_limit_s", "time_limit_factor")}


def scored_checkpoint(wildcards):
    """Return the checkpoint that the model is served from."""
    return server_input(wildcards.model)
