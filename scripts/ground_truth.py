from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.evaluate.ground_truth import compute_ground_truth
    from selfalign.evaluate.scoring import open_scoring_pools

    benchmark = load_benchmark(
        snakemake.wildcards.name, snakemake.wildcards.version, snakemake.params.directory
    )
    config = job_config(snakemake)
    with open_scoring_pools(config.execution.runtime, snakemake.threads) as pools:
        compute_ground_truth(benchmark, pools.judges, snakemake.output.truth, config.evaluation)
