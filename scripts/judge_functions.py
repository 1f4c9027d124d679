from _job import job, job_config

with job(snakemake):
    from selfalign.seeds.judge import judge_unit

    judge_unit(
        job_config(snakemake),
        snakemake.input.rows,
        snakemake.input.get("model"),
        out=snakemake.output.rows,
        dropped=snakemake.output.dropped,
        counts=snakemake.output.counts,
    )
