from _job import job, job_config

with job(snakemake):
    from selfalign.generate.stage import run_shard

    run_shard(
        job_config(snakemake),
        snakemake.params.stage,
        snakemake.input.rows,
        snakemake.input.get("model"),
        few_shots=snakemake.input.few_shots,
        out=snakemake.output.rows,
        dropped=snakemake.output.dropped,
        counts=snakemake.output.counts,
        metrics=snakemake.output.metrics,
        round_number=snakemake.params.round,
    )
