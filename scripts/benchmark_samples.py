from _job import job, whole_config

with job(snakemake):
    from selfalign.core.config.evaluation import BenchmarkChoice
    from selfalign.evaluate.generate import sample_benchmark

    settings = snakemake.params.settings
    sample_benchmark(
        whole_config(snakemake),
        snakemake.wildcards.get("model", "base"),
        BenchmarkChoice(**{key: settings[key] for key in BenchmarkChoice.model_fields}),
        snakemake.output.samples,
        checkpoint=snakemake.input.get("model") or None,
        data=snakemake.params.directory,
    )
