from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.evaluate.ground_truth import compute_ground_truth
    from selfalign.evaluate.scoring import open_scoring_pools
    from selfalign.program_environments import program_environment

    benchmark = load_benchmark(
        snakemake.wildcards.name, snakemake.wildcards.version, snakemake.params.directory
    )
    config = job_config(snakemake)
    environment = program_environment(
        snakemake.params.programs, next(iter(snakemake.input.environment), None)
    )
    with open_scoring_pools(config.execution.runtime, snakemake.threads, environment) as pools:
        compute_ground_truth(benchmark, pools.judges, snakemake.output.truth, config.evaluation)
