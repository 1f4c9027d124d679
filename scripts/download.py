from _job import job

with job(snakemake):
    from selfalign.benchmarks.definition import DataFile
    from selfalign.benchmarks.load import check_content
    from selfalign.core.config.base import validate_section
    from selfalign.core.config.downloads import DownloadsConfig
    from selfalign.downloads import download

    file = DataFile(**snakemake.params.file)
    download(
        file.url,
        snakemake.output.file,
        lambda path: check_content(path, file, file.file),
        name=file.file,
        settings=validate_section(DownloadsConfig, snakemake.config["downloads"], "downloads"),
    )
