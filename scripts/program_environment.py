from _job import job

with job(snakemake):
    from selfalign.program_environments import install_environment

    install_environment(snakemake.input.lock, snakemake.output.packages)
