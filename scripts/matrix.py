from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.matrix import matrix_file
    from selfalign.program_environments import program_environment
    from selfalign.sandbox import Limits

    files, config = snakemake.input, job_config(snakemake)
    settings = config.execution
    counts = matrix_file(
        [files.passing],
        [files.failed],
        snakemake.output.matrix,
        snakemake.output.dropped,
        runtime=settings.runtime,
        image=settings.image,
        environment=program_environment(settings.environment, next(iter(files.environment), None)),
        workers=snakemake.threads,
        limits=Limits(**settings.limits.model_dump()),
        scope=settings.scope,
        cache=config.paths.verdicts or None,
    )
    write_json(snakemake.output.counts, counts.to_json())
