from _job import job

with job(snakemake):
    from selfalign.seeds.minhash_cuts import write_cuts

    write_cuts(snakemake.input.pairs, snakemake.output.cuts)
