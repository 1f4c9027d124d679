from _job import job

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.core.config.evaluation import EvaluationConfig
    from selfalign.evaluate.ground_truth import compute_ground_truth
    from selfalign.evaluate.scoring import open_scoring_pool

    benchmark = load_benchmark(
        snakemake.wildcards.name, snakemake.wildcards.version, snakemake.params.directory
    )
    with open_scoring_pool(snakemake.config["execution"]["runtime"], snakemake.threads) as pool:
        compute_ground_truth(
            benchmark, pool, snakemake.output.truth, EvaluationConfig(**snakemake.params.limits)
        )
