from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.train.prefer import PreferenceJob, launch

    config = job_config(snakemake)
    launch(
        PreferenceJob(
            config=config.preferences.training(config.training),
            base=Path(snakemake.input.tuned),
            dataset=Path(snakemake.input.pairs),
            out=Path(snakemake.output.checkpoint),
            metrics=Path(snakemake.output.metrics),
            work=Path(snakemake.params.work),
            title=snakemake.params.title,
            beta=config.preferences.beta,
        ),
        threads=snakemake.threads,
        log=snakemake.log[0],
    )
