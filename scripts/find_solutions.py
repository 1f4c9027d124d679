from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.core.config.evaluation import ScoringLimits
    from selfalign.evaluate.solutions import SearchedBenchmark, find_solutions_file
    from selfalign.program_environments import program_environment

    files, wildcards, config = snakemake.input, snakemake.wildcards, job_config(snakemake)
    find_solutions_file(
        files.rows,
        SearchedBenchmark(
            load_benchmark(wildcards.name, wildcards.version, snakemake.params.directory),
            ground_truth=next(iter(files.truth), None),
            environment=program_environment(snakemake.params.programs, next(iter(files.environment), None)),
            limits=ScoringLimits(**snakemake.params.limits),
            references=next(iter(files.references), None),
            max_reference_failures=snakemake.params.max_reference_failures,
        ),
        snakemake.output.solutions,
        snakemake.output.summary,
        runtime=config.execution.runtime,
        workers=snakemake.threads,
        cache=config.paths.verdicts or None,
    )
