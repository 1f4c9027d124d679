from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.seeds.start import import_rows

    counts = import_rows(job_config(snakemake).start, snakemake.output.rows)
    write_json(snakemake.output.counts, counts.to_json())
