from _job import job, job_config

with job(snakemake):
    from selfalign.seeds.pool import build_pool

    build_pool(snakemake.input.rows, snakemake.output.pool, job_config(snakemake).seeds.seed)
