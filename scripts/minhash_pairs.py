from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.seeds.minhash_cuts import check_pairs
    from selfalign.seeds.minhash_nodes import write_pairs

    settings = job_config(snakemake).seeds.near_duplicates
    signatures = Path(snakemake.input.signatures[0]).parents[1]
    neighbours = Path(snakemake.output.neighbours)
    write_pairs(signatures, neighbours.parent, int(snakemake.wildcards.band), settings)
    check_pairs(neighbours, snakemake.input.rows, snakemake.output.pairs, settings)
