from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.generate.instruction_filter import filter_instructions

    generation = job_config(snakemake).generation
    counts = filter_instructions(
        snakemake.input.get("earlier", []),
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        prompt_template=generation.prompt_template,
        few_shots=snakemake.input.few_shots,
        min_words=generation.instruction_filter.min_words,
    )
    write_json(snakemake.output.counts, counts.to_json())
