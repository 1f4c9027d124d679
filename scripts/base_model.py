from _job import job, job_config

with job(snakemake):
    from selfalign.model.build import build_checkpoint

    model = job_config(snakemake).model
    build_checkpoint(model, snakemake.input.get("source"), snakemake.output.checkpoint)
