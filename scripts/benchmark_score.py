from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.core.config.evaluation import ScoringLimits
    from selfalign.evaluate.scoring import ScoreFiles, score_samples
    from selfalign.program_environments import program_environment

    scoring, files, out = snakemake.params.scoring, snakemake.input, snakemake.output
    score_samples(
        files.samples,
        load_benchmark(
            scoring["name"], scoring["version"], snakemake.params.directory, window=scoring["window"]
        ),
        ScoreFiles(out.verdicts, out.timings, out.score, out.get("comparison")),
        ground_truth=next(iter(files.get("truth") or []), None),
        references=next(iter(files.references), None),
        max_reference_failures=scoring["max_reference_failures"],
        published=files.get("published") or None,
        exact_floats=scoring["exact_floats"],
        limits=ScoringLimits(**scoring["limits"]),
        pass_at=scoring["pass_at"],
        layout=scoring["layout"],
        runtime=job_config(snakemake).execution.runtime,
        workers=snakemake.threads,
        environment=program_environment(scoring["environment"], next(iter(files.environment), None)),
        image=scoring["image"],
    )
