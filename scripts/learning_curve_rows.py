from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.core.prompt_template import load_prompt_template
    from selfalign.curate.subset import subset_file

    config, number = job_config(snakemake), snakemake.wildcards.instructions
    counts = subset_file(
        snakemake.input.dataset,
        snakemake.output.rows,
        snakemake.output.dropped,
        instructions=None if number == "all" else int(number),
        candidates=snakemake.input.get("candidates") or None,
        settings=config.curation,
        response_layout=load_prompt_template(config.generation.prompt_template).response,
        max_length=config.training.max_length if snakemake.params.fits_training else None,
        checkpoint=snakemake.input.get("checkpoint") or None,
        layout=config.training.layout,
    )
    write_json(snakemake.output.counts, counts.to_json())
