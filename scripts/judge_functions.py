from _job import job, whole_config

with job(snakemake):
    from selfalign.seeds.judge import judge_unit

    judge_unit(
        whole_config(snakemake),
        snakemake.input.rows,
        snakemake.input.get("model"),
        out=snakemake.output.rows,
        dropped=snakemake.output.dropped,
        counts=snakemake.output.counts,
    )
