from _job import job, job_config

with job(snakemake):
    from selfalign.core.config.contamination import ContaminationConfig
    from selfalign.core.jsonl import write_json
    from selfalign.curate.decontaminate import decontaminate_file

    config = job_config(snakemake)
    counts = decontaminate_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        sources=snakemake.params.benchmarks,
        settings=ContaminationConfig(
            ngram=config.curation.decontamination.ngram, exempt=config.seeds.contamination.exempt
        ),
    )
    write_json(snakemake.output.counts, counts.to_json())
