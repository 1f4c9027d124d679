# Parameters and input functions of rules/generate.smk.


def stage_settings(stage, *more):
    """Return the settings that decide the outputs of a generation stage, as the parameter `settings`."""
    shared = ("prompt_template", "mode", "permutations", "seed")
    keys = [f"generation.{key}" for key in (*shared, stage, *more)]
    return settings("run", "paths.results", "model", *keys)


def instruction_source():
    """Return the input of the instructions: the concepts, or the seeds if pipeline is direct."""
    stage = "concepts" if config["generation"]["pipeline"] == "concepts" else "seeds"
    return rows_of(stage, f"{stage}/shards/{{shard}}.jsonl")


GENERATED_INSTRUCTIONS = rows_of("instructions", "instructions/shards/{shard}.jsonl")


FILTER_INSTRUCTIONS = config["generation"]["instruction_filter"]["enabled"]


def usable_instructions():
    """Return the input of the responses: the instructions, or those that the filter keeps."""
    return result("instructions/usable/{shard}.jsonl") if FILTER_INSTRUCTIONS else GENERATED_INSTRUCTIONS


def earlier_instructions(wildcards):
    """Return the instructions of the shards before the shard."""
    return expand(GENERATED_INSTRUCTIONS, shard=SHARDS[: int(wildcards.shard)])


# The stages that are part of the run, and their counts files in the order of the stages.
GENERATION = [
    stage
    for stage in ("concepts", "instructions", "responses")
    if is_built(stage) and not (stage == "concepts" and config["generation"]["pipeline"] == "direct")
]
GENERATION_COUNTS = {stage: shards(stage, "counts", ".json") for stage in GENERATION}
if FILTER_INSTRUCTIONS and is_built("responses"):
    GENERATION_COUNTS["responses"] = [
        *shards("instructions", "counts/usable", ".json"),
        *GENERATION_COUNTS["responses"],
    ]
GENERATION_COUNTS = [path for paths in GENERATION_COUNTS.values() for path in paths]


def few_shots_file():
    """Return the few-shot file: the configured one, or the download of the configured URL."""
    if config["generation"]["few_shots_url"] is None:
        return bundled(config["generation"]["few_shots"])
    return f"{DOWNLOADS}/few_shots/{config['generation']['few_shots_sha256']}.txt"


def prompt_contents():
    """Return the hashes of the prompt template and, unless it is downloaded, of the few-shot file."""
    generation = config["generation"]
    here = [generation["few_shots"]] if generation["few_shots_url"] is None else []
    return contents(generation["prompt_template"], *here)
