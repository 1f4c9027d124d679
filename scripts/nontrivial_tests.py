from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.mutation import nontrivial_tests_file
    from selfalign.program_environments import program_environment
    from selfalign.sandbox import Limits

    config = job_config(snakemake)
    counts = nontrivial_tests_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        drop_trivial=config.curation.quality.nontrivial_tests,
        mutation=config.curation.mutation,
        runtime=config.execution.runtime,
        image=config.execution.image,
        environment=program_environment(
            config.execution.environment, next(iter(snakemake.input.environment), None)
        ),
        workers=snakemake.threads,
        limits=Limits(**config.execution.limits.model_dump()),
        cache=config.paths.verdicts or None,
    )
    write_json(snakemake.output.counts, counts.to_json())
