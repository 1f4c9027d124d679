from _job import job, whole_config

with job(snakemake):
    from selfalign.evaluate.job import published_job

    published_job(
        whole_config(snakemake),
        snakemake.wildcards.published,
        next(iter(snakemake.input.get("truth") or []), None),
        snakemake.params.location,
        verdicts=snakemake.output.verdicts,
        timings=snakemake.output.timings,
        score=snakemake.output.score,
        comparison=snakemake.output.comparison,
        workers=snakemake.threads,
    )
