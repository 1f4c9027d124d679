from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.evaluate.ground_truth import compute_ground_truth
    from selfalign.evaluate.scoring import open_scoring_pool

    benchmark = load_benchmark(
        snakemake.wildcards.name, snakemake.wildcards.version, snakemake.params.directory
    )
    config = job_config(snakemake)
    with open_scoring_pool(config.execution.runtime, snakemake.threads) as pool:
        compute_ground_truth(benchmark, pool, snakemake.output.truth, config.evaluation)
