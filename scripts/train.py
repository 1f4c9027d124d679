from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.train.job import TrainingJob
    from selfalign.train.launch import launch

    # The name of the directory is the value of evaluation.checkpoints.
    intermediate = snakemake.output.get("intermediate")
    launch(
        TrainingJob(
            config=job_config(snakemake).training,
            base=Path(snakemake.input.base),
            dataset=Path(snakemake.input.dataset),
            out=Path(snakemake.output.checkpoint),
            metrics=Path(snakemake.output.metrics),
            work=Path(snakemake.params.work),
            title=snakemake.params.title,
            **(
                {"intermediate": Path(intermediate), "kept_steps": Path(intermediate).name}
                if intermediate
                else {}
            ),
        ),
        threads=snakemake.threads,
        log=snakemake.log[0],
    )
