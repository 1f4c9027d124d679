# The files in the provenance of a run.

from selfalign.benchmarks import load_definition


def run_artifacts(wildcards):
    """Return the outputs of the run, from the pool of seeds to the scores, with the shards and counts of all stages."""
    stages = ("seeds", *GENERATION, "execution")
    return [
        result("model/base"),
        result("seeds/pool.jsonl"),
        *(path for stage in stages for path in shards(stage)),
        *shards("execution", "verdicts"),
        *funnel_counts(wildcards),
        *(result(f"dataset/{step}.jsonl") for step in CURATION_STEPS),
        *([result("self_tests/tasks.jsonl")] if SELF_TESTS else []),
        *rules.dataset.output,
        result("model/tuned"),
        *rules.scores.input,
        *rules.scores.output,
        rules.funnel.output.funnel,
    ]


def run_sources(wildcards):
    """Return the input files of the run that are not outputs of it."""
    units = UNITS if SOURCES.kind == "packages" else []
    packages = expand(f"{DOWNLOADS}/packages/{{unit}}.whl", unit=units)
    benchmarks = [
        path
        for each in SETS.own.values()
        if not load_definition(each.choice.name).is_of_run
        for path in SETS.data(each.choice.name, each.choice.version)
    ]
    prompts = [bundled(config["generation"]["prompt_template"]), few_shots_file()]
    return list(dict.fromkeys([*packages, *prompts, *benchmarks]))
