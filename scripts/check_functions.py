from _job import job, job_config

if __name__ == "__main__":  # worker processes import this file
    with job(snakemake):
        from selfalign.program_environments import program_environment
        from selfalign.seeds.check import check_file

        seeds, programs = job_config(snakemake).seeds, snakemake.params.programs
        if programs is not None:
            environment = program_environment(programs, next(iter(snakemake.input.environment), None))
            environment.check_modules(seeds.imports.packages, "seeds.imports.packages")
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
