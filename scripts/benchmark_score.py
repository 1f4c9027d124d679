from _job import job

with job(snakemake):
    from selfalign.benchmarks import load_benchmark
    from selfalign.evaluate.scoring import ScoreFiles, score_samples

    settings, files, out = snakemake.params.settings, snakemake.input, snakemake.output
    score_samples(
        files.samples,
        load_benchmark(
            settings["name"], settings["version"], snakemake.params.directory, window=settings["window"]
        ),
        ScoreFiles(out.verdicts, out.timings, out.score, out.get("comparison")),
        ground_truth=next(iter(files.get("truth") or []), None),
        published=files.get("published") or None,
        exact_floats=settings["exact_floats"],
        pass_at=settings["pass_at"],
        runtime=snakemake.config["execution"]["runtime"],
        workers=snakemake.threads,
    )
