from _job import job, job_config

with job(snakemake):
    from selfalign.curate.export import split_rows, write_parquet

    out, curation = snakemake.output, job_config(snakemake).curation
    test = list(out.get("test", []))
    split_rows(
        snakemake.input.rows,
        out.train,
        test[0] if test else None,
        share=curation.export.test_share,
        seed=curation.seed,
    )
    write_parquet(out.train, out.train_parquet)
    if test:
        write_parquet(*test)
