# The files in the provenance of a run.

from selfalign.benchmarks import load_definition


def run_artifacts(wildcards):
    """Return the outputs of the run, from the seeds or imported rows to the scores, with the shards and counts of all stages."""
    stages = [
        *(["seeds"] if is_built("seeds") else []),
        *GENERATION,
        *(["execution"] if is_built("filtered") else []),
    ]
    return [
        result("model/base"),
        *([result("seeds/pool.jsonl")] if is_built("seeds") else IMPORTED),
        *(path for stage in stages for path in shards(stage)),
        *EXECUTION_VERDICTS,
        *funnel_counts(wildcards),
        *(result(f"dataset/{step}.jsonl") for step in CURATION_STEPS),
        *([result("self_tests/tasks.jsonl")] if SELF_TESTS else []),
        *rules.dataset.output,
        result("model/tuned"),
        *PREFERENCE_PAIRS,
        *PREFERRED_MODEL,
        *rules.scores.input,
        *rules.scores.output,
        *([CHECKPOINT_SCORES] if CHECKPOINT_SCORES else []),
        rules.funnel.output.funnel,
        *later_round_artifacts(),
    ]


def run_sources(wildcards):
    """Return the input files of the run that are not outputs of it."""
    units = UNITS if SOURCES.kind == "packages" and is_built("seeds") else []
    packages = expand(f"{DOWNLOADS}/packages/{{unit}}.whl", unit=units)
    benchmarks = [
        path
        for each in SETS.own.values()
        if not load_definition(each.choice.name).is_of_run
        for path in SETS.data(each.choice.name, each.choice.version)
    ]
    prompts = [
        bundled(config["generation"]["prompt_template"]),
        *([few_shots_file()] if GENERATION else []),
    ]
    return list(dict.fromkeys([*packages, *start_files(), *prompts, *benchmarks]))
