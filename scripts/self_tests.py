from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.self_tests import self_tests_file
    from selfalign.program_environments import program_environment

    files, config = snakemake.input, job_config(snakemake)
    counts = self_tests_file(
        files.held_out,
        files.passing,
        files.failed,
        snakemake.output.tasks,
        snakemake.output.dropped,
        distinct_siblings=config.curation.self_tests.distinct_siblings,
        runtime=config.execution.runtime,
        image=config.execution.image,
        environment=program_environment(config.execution.environment, next(iter(files.environment), None)),
        workers=snakemake.threads,
        cache=config.paths.verdicts or None,
    )
    write_json(snakemake.output.counts, counts.to_json())
