from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.execute.filter import execute_file
    from selfalign.program_environments import program_environment
    from selfalign.sandbox import Limits

    config = job_config(snakemake)
    settings = config.execution
    counts = execute_file(
        snakemake.input.rows,
        snakemake.output.rows,
        verdicts=snakemake.output.verdicts,
        dropped=snakemake.output.dropped,
        runtime=settings.runtime,
        image=settings.image,
        environment=program_environment(settings.environment, next(iter(snakemake.input.environment), None)),
        cache=config.paths.verdicts or None,
        workers=snakemake.threads,
        limits=Limits(**settings.limits.model_dump()),
        faithful=settings.faithful,
        scope=settings.scope,
    )
    write_json(snakemake.output.counts, counts.to_json())
