from _job import job

with job(snakemake):
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import CurationConfig
    from selfalign.core.jsonl import write_json
    from selfalign.curate.select import select_file

    counts = select_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        validate_section(CurationConfig, snakemake.params.settings, "curation"),
    )
    write_json(snakemake.output.counts, counts.to_json())
