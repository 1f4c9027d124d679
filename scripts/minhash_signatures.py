from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.seeds.minhash_nodes import write_signatures

    settings = job_config(snakemake).seeds.near_duplicates
    folder = Path(snakemake.output[0]).parents[1]
    write_signatures(snakemake.input.rows, folder, int(snakemake.wildcards.rank), settings)
