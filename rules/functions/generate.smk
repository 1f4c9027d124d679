# Parameters and input functions of rules/generate.smk.


def stage_settings(stage, *more):
    """Return the settings that decide the outputs of a generation stage, as the parameter `settings`."""
    shared = ("prompt_template", "mode", "permutations", "seed")
    keys = [f"generation.{key}" for key in (*shared, stage, *more)]
    return settings("run", "paths.results", "model", *keys)


def instruction_source():
    """Return the input of the instructions: the concepts, or the seeds if pipeline is direct."""
    stage = "concepts" if config["generation"]["pipeline"] == "concepts" else "seeds"
    return result(f"{stage}/shards/{{shard}}.jsonl")


FILTER_INSTRUCTIONS = config["generation"]["instruction_filter"]["enabled"]


def usable_instructions():
    """Return the input of the responses: the instructions, or those that the filter keeps."""
    return result(f"instructions/{'usable' if FILTER_INSTRUCTIONS else 'shards'}/{{shard}}.jsonl")


def earlier_instructions(wildcards):
    """Return the instructions of the shards before the shard."""
    return shards("instructions")[: int(wildcards.shard)]


# The stages, and their counts files in the order of the stages.
GENERATION = [
    *(["concepts"] if config["generation"]["pipeline"] == "concepts" else []),
    "instructions",
    "responses",
]
GENERATION_COUNTS = [
    path
    for stage in GENERATION
    for path in (
        *shards(stage, "counts", ".json"),
        *(shards(stage, "counts/usable", ".json") if stage == "instructions" and FILTER_INSTRUCTIONS else []),
    )
]


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
