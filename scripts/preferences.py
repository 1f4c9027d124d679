from _job import job, job_config

with job(snakemake):
    from selfalign.core.config.contamination import ContaminationConfig
    from selfalign.core.jsonl import write_json
    from selfalign.core.prompt_template import load_prompt_template
    from selfalign.curate.preferences import preferences_file

    files, out, config = snakemake.input, snakemake.output, job_config(snakemake)
    counts = preferences_file(
        files.dataset,
        files.matrices,
        [*files.passing, *files.failed],
        out.pairs,
        out.dropped,
        max_pairs=config.preferences.max_pairs_per_instruction,
        quality=config.curation.quality,
        response_layout=load_prompt_template(config.generation.prompt_template).response,
        sources=snakemake.params.benchmarks,
        contamination=ContaminationConfig(
            ngram=config.curation.decontamination.ngram, exempt=config.seeds.contamination.exempt
        ),
    )
    write_json(out.counts, counts.to_json())
