from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.select import select_file

    counts = select_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        job_config(snakemake).curation,
    )
    write_json(snakemake.output.counts, counts.to_json())
