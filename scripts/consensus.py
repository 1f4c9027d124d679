from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.consensus import consensus_file

    counts = consensus_file(
        snakemake.input.rows,
        snakemake.input.matrices,
        snakemake.output.rows,
        snakemake.output.dropped,
        quality=job_config(snakemake).curation.quality,
    )
    write_json(snakemake.output.counts, counts.to_json())
