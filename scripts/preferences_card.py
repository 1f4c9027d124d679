from _job import job, job_config

with job(snakemake):
    from selfalign.curate.card import row_configuration, write_preference_card
    from selfalign.curate.export import write_checksums, write_parquet

    files, out, params = snakemake.input, snakemake.output, snakemake.params
    write_parquet(files.pairs, out.parquet)
    write_preference_card(
        out.card,
        pairs=files.pairs,
        funnel=files.funnel,
        settings=job_config(snakemake).curation.export,
        model=params.model,
        configuration=row_configuration(params.settings),
        benchmarks=params.benchmarks,
    )
    write_checksums(out.checksums, [files.pairs, out.parquet, out.card])
