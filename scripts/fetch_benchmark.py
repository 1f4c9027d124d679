from _job import job

with job(snakemake):
    from selfalign.benchmarks.fetch import fetch_data

    fetch_data(snakemake.wildcards.name, snakemake.wildcards.file, snakemake.output.data)
