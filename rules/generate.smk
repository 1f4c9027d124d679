# Generation: seeds to concepts, concepts to instructions, instructions to responses, one job per shard.
# Completions are cached (paths.completion_cache), so a rerun does not request them again.


include: "functions/generate.smk"


rule concepts:
    input:
        rows=rows_of("seeds", "seeds/shards/{shard}.jsonl"),
        prompt_template=bundled(config["generation"]["prompt_template"]),
        few_shots=few_shots_file(),
        model=teacher(),
        revisions=model_revision(),
    output:
        rows=result("concepts/shards/{shard}.jsonl"),
        dropped=result("concepts/dropped/{shard}.jsonl"),
        counts=result("concepts/counts/{shard}.json"),
        metrics=result("concepts/metrics/{shard}.json"),
    log:
        result("logs/concepts/{shard}.log"),
    benchmark:
        result("benchmarks/concepts/{shard}.tsv")
    conda:
        environment(serving("runtime"))
    container:
        image(serving("runtime"))
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=720,
        gpu=server_gpus(),
    params:
        code=fingerprint("generate"),
        prompts=prompt_contents(),
        stage="concepts",
        round=ROUND,
        settings=stage_settings("concepts"),
    message:
        "Seeds to concepts, shard {wildcards.shard}"
    script:
        "../scripts/generate.py"


use rule concepts as instructions with:
    input:
        rows=instruction_source(),
        prompt_template=bundled(config["generation"]["prompt_template"]),
        few_shots=few_shots_file(),
        model=teacher(),
        revisions=model_revision(),
    output:
        rows=result("instructions/shards/{shard}.jsonl"),
        dropped=result("instructions/dropped/{shard}.jsonl"),
        counts=result("instructions/counts/{shard}.json"),
        metrics=result("instructions/metrics/{shard}.json"),
    log:
        result("logs/instructions/{shard}.log"),
    benchmark:
        result("benchmarks/instructions/{shard}.tsv")
    params:
        code=fingerprint("generate"),
        prompts=prompt_contents(),
        stage="instructions",
        settings=stage_settings("instructions", "pipeline"),
    message:
        "Concepts to instructions, shard {wildcards.shard}"


if FILTER_INSTRUCTIONS:

    include: "generate_filter_instructions.smk"


use rule concepts as responses with:
    input:
        rows=usable_instructions(),
        prompt_template=bundled(config["generation"]["prompt_template"]),
        few_shots=few_shots_file(),
        model=teacher(),
        revisions=model_revision(),
    output:
        rows=result("responses/shards/{shard}.jsonl"),
        dropped=result("responses/dropped/{shard}.jsonl"),
        counts=result("responses/counts/{shard}.json"),
        metrics=result("responses/metrics/{shard}.json"),
    log:
        result("logs/responses/{shard}.log"),
    benchmark:
        result("benchmarks/responses/{shard}.tsv")
    params:
        code=fingerprint("generate"),
        prompts=prompt_contents(),
        stage="responses",
        settings=stage_settings("responses"),
    message:
        "Instructions to responses, shard {wildcards.shard}"
