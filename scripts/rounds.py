from _job import job

with job(snakemake):
    from selfalign.evaluate.rounds import write_table

    write_table(snakemake.input.results, snakemake.output.table, rounds=snakemake.params.rounds)
