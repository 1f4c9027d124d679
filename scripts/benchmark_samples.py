from _job import job, whole_config

with job(snakemake):
    from selfalign.evaluate.sampling import sample_job

    sample_job(
        whole_config(snakemake),
        snakemake.wildcards.get("model", "base"),
        snakemake.wildcards.benchmark,
        snakemake.output.samples,
        checkpoint=snakemake.input.get("model") or None,
        data=snakemake.params.location,
    )
