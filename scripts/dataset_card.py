from _job import job, job_config

with job(snakemake):
    from selfalign.curate.card import row_configuration, write_card
    from selfalign.curate.export import write_checksums

    files, params, config = snakemake.input, snakemake.params, job_config(snakemake)
    test = list(files.get("test", []))
    write_card(
        snakemake.output.card,
        splits={"train": files.train, **({"test": test[0]} if test else {})},
        funnel=files.funnel,
        settings=config.curation.export,
        model=params.model,
        configuration=row_configuration(params.settings),
        benchmarks=params.benchmarks,
        responses=params.responses,
    )
    write_checksums(snakemake.output.checksums, [files.train, files.parquet, *test, snakemake.output.card])
