from _job import job

with job(snakemake):
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.curation import ExportConfig
    from selfalign.curate.card import deciding, write_card
    from selfalign.curate.export import write_checksums

    files, params = snakemake.input, snakemake.params
    test = list(files.get("test", []))
    write_card(
        snakemake.output.card,
        splits={"train": files.train, **({"test": test[0]} if test else {})},
        funnel=files.funnel,
        settings=validate_section(ExportConfig, params.settings, "curation.export"),
        model=params.model,
        configuration=deciding(snakemake.config),
        benchmarks=params.benchmarks,
        responses=params.responses,
    )
    write_checksums(snakemake.output.checksums, [files.train, files.parquet, *test, snakemake.output.card])
