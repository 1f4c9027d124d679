from _job import job, job_config

if __name__ == "__main__":  # worker processes import this file
    with job(snakemake):
        from selfalign.seeds.check import check_file

        seeds = job_config(snakemake).seeds
        check_file(
            snakemake.input.rows,
            snakemake.output.rows,
            snakemake.output.dropped,
            filters=seeds.filters,
            imports=seeds.imports,
            types=seeds.types,
            workers=snakemake.threads,
            counts=snakemake.output.counts,
        )
