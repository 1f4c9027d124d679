from _job import job, job_config

with job(snakemake):
    from selfalign.core.config.curation import LengthConfig
    from selfalign.core.jsonl import write_json
    from selfalign.curate.rows import read_candidates
    from selfalign.curate.sanitize import sanitize_file

    params, curation = snakemake.params, job_config(snakemake).curation
    counts = sanitize_file(
        params.sanitizing,
        read_candidates(snakemake.input.rows, snakemake.input.get("failed", []), params.responses),
        snakemake.output.rows,
        snakemake.output.dropped,
        seed=curation.seed,
        length=curation.length if params.sanitizing == "smart" else LengthConfig(),
        checkpoint=next(iter(snakemake.input.get("checkpoint", [])), None),
    )
    write_json(snakemake.output.counts, counts.to_json())
