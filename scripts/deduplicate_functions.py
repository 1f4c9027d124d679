from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.seeds.duplicates import deduplicate_units

    steps = deduplicate_units(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        job_config(snakemake).seeds.near_duplicates,
    )
    write_json(snakemake.output.counts, [step.to_json() for step in steps])
