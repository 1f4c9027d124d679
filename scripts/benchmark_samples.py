from _job import job, job_config

with job(snakemake):
    from selfalign.core.config.evaluation import BenchmarkChoice
    from selfalign.evaluate.generate import sample_benchmark

    sampling = snakemake.params.sampling
    checkpoint = snakemake.input.get("model") or None
    if name := snakemake.params.get("checkpoint"):
        checkpoint = f"{checkpoint}/{name}"  # one of several in the directory
    sample_benchmark(
        job_config(snakemake),
        sampling["layout"],
        BenchmarkChoice(**{key: sampling[key] for key in BenchmarkChoice.model_fields}),
        snakemake.output.samples,
        tuned=sampling["tuned"],
        checkpoint=checkpoint,
        tokenizer=snakemake.input.get("tokenizer") or None,
        data=snakemake.params.directory,
        base=snakemake.input.get("base") or None,
        repaired=snakemake.input.get("repaired") or None,
    )
