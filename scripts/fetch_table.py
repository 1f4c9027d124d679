from _job import job

with job(snakemake):
    from selfalign.core.config.revisions import read_record
    from selfalign.core.jsonl import write_jsonl
    from selfalign.seeds.sources.hub import stream_rows

    file = snakemake.params.file
    commits = [read_record(path).commit for path in snakemake.input.revision]
    rows = stream_rows(file["dataset"], commits[0] if commits else file["revision"], file["path"])
    write_jsonl(snakemake.output.file, rows)
