from _job import job

with job(snakemake):
    from selfalign.evaluate.checkpoint_scores import list_checkpoints

    list_checkpoints(snakemake.input.checkpoints, snakemake.input.metrics, snakemake.output.steps)
