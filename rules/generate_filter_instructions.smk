# Drops instructions that are not worth a response; included if generation.instruction_filter.enabled is set.


rule filter_instructions:
    input:
        rows=GENERATED_INSTRUCTIONS,
        earlier=earlier_instructions,
        prompt_template=bundled(config["generation"]["prompt_template"]),
        few_shots=few_shots_file(),
    output:
        rows=result("instructions/usable/{shard}.jsonl"),
        dropped=result("instructions/dropped/usable/{shard}.jsonl"),
        counts=result("instructions/counts/usable/{shard}.json"),
    log:
        result("logs/filter_instructions/{shard}.log"),
    benchmark:
        result("benchmarks/filter_instructions/{shard}.tsv")
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("filter_instructions"),
        prompts=prompt_contents(),
        settings=settings("generation.prompt_template", "generation.instruction_filter.min_words"),
    message:
        "Drop unusable and repeated instructions, shard {wildcards.shard}"
    script:
        "../scripts/filter_instructions.py"


# With a storage provider, Snakemake 9.27 does not apply the constraint of `shard` to these paths, and both rules match.
ruleorder: filter_instructions > instructions
