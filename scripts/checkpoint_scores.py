from _job import job

with job(snakemake):
    from selfalign.evaluate.checkpoint_scores import write_checkpoint_scores

    write_checkpoint_scores(
        snakemake.input.steps,
        snakemake.input.scores,
        snakemake.output.table,
        scored=[(layout, benchmark) for layout, benchmark in snakemake.params.scored],
    )
