from _job import job, whole_config

with job(snakemake):
    from selfalign.evaluate.job import score_job

    score_job(
        whole_config(snakemake),
        snakemake.wildcards.benchmark,
        snakemake.input.samples,
        next(iter(snakemake.input.get("truth") or []), None),
        snakemake.params.location,
        verdicts=snakemake.output.verdicts,
        timings=snakemake.output.timings,
        score=snakemake.output.score,
        workers=snakemake.threads,
    )
