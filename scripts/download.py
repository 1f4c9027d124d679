from _job import job, job_config

with job(snakemake):
    from selfalign.benchmarks.definition import DataFile
    from selfalign.benchmarks.load import check_content
    from selfalign.downloads import download

    file = DataFile(**snakemake.params.file)
    download(
        snakemake.params.file["url"],
        snakemake.output.file,
        lambda path: check_content(path, file, file.file),
        name=file.file,
        settings=job_config(snakemake).downloads,
    )
