from _job import job

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.hub import resolve_revision

    resolved = resolve_revision(**snakemake.params.asked)
    write_json(snakemake.output.record, resolved._asdict())
