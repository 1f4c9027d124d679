from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.train.job import TrainingJob
    from selfalign.train.launch import launch

    # The directory is called each_epoch, or all-N if a checkpoint is kept every N steps.
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
                {"intermediate": Path(intermediate), "kept_steps": Path(intermediate).name.partition("-")[0]}
                if intermediate
                else {}
            ),
        ),
        threads=snakemake.threads,
        log=snakemake.log[0],
    )
