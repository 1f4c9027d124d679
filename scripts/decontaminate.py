from _job import job

with job(snakemake):
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.contamination import ContaminationConfig
    from selfalign.core.jsonl import write_json
    from selfalign.curate.decontaminate import decontaminate_file

    counts = decontaminate_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        sources=snakemake.params.benchmarks,
        settings=validate_section(ContaminationConfig, snakemake.params.settings, "curation.decontamination"),
    )
    write_json(snakemake.output.counts, counts.to_json())
