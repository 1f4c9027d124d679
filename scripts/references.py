from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.core.config.evaluation import ScoringLimits
    from selfalign.evaluate.scorers import build_scorer
    from selfalign.evaluate.scoring import open_scoring_pools, run_references
    from selfalign.program_environments import program_environment

    files, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    benchmark = load_benchmark(wildcards.name, wildcards.version, params.directory)
    environment = program_environment(params.programs, next(iter(files.environment), None))
    runtime = job_config(snakemake).execution.runtime
    limits = ScoringLimits(**params.limits)
    with open_scoring_pools(runtime, snakemake.threads, environment, limits) as pools:
        scorer = build_scorer(benchmark, next(iter(files.truth), None), limits=limits)
        run_references(benchmark, scorer, pools, snakemake.output.results)
