from _job import job

with job(snakemake):
    from selfalign.curate.export import split_rows, write_parquet

    out, params = snakemake.output, snakemake.params
    test = list(out.get("test", []))
    split_rows(
        snakemake.input.rows, out.train, test[0] if test else None, share=params.test_share, seed=params.seed
    )
    write_parquet(out.train, out.train_parquet)
    if test:
        write_parquet(*test)
