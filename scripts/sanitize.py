from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.core.prompt_template import load_prompt_template
    from selfalign.curate.rows import read_candidates
    from selfalign.curate.sanitize import sanitize_file

    params, config = snakemake.params, job_config(snakemake)
    # Only the final text has a length.
    length = {}
    if checkpoint := snakemake.input.get("checkpoint"):
        length = {
            "length": config.curation.length,
            "checkpoint": checkpoint,
            "layout": config.training.layout,
            "max_length": config.training.max_length if params.fits_training else None,
        }
    counts = sanitize_file(
        params.sanitizing,
        read_candidates(snakemake.input.rows, snakemake.input.get("failed", []), params.responses),
        snakemake.output.rows,
        snakemake.output.dropped,
        seed=config.curation.seed,
        response_layout=load_prompt_template(config.generation.prompt_template).response,
        **length,
    )
    write_json(snakemake.output.counts, counts.to_json())
