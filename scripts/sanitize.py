from _job import job

with job(snakemake):
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import LengthConfig
    from selfalign.core.jsonl import write_json
    from selfalign.curate.rows import read_candidates
    from selfalign.curate.sanitize import sanitize_file

    params = snakemake.params
    counts = sanitize_file(
        params.sanitizing,
        read_candidates(snakemake.input.rows, snakemake.input.get("failed", []), params.responses),
        snakemake.output.rows,
        snakemake.output.dropped,
        seed=params.seed,
        length=validate_section(LengthConfig, params.get("length") or {}, "curation.length"),
        checkpoint=next(iter(snakemake.input.get("checkpoint", [])), None),
    )
    write_json(snakemake.output.counts, counts.to_json())
