from _job import job

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.push import push_dataset

    pushed = push_dataset(
        snakemake.input.files, snakemake.params.repository, private=snakemake.params.private
    )
    write_json(snakemake.output.pushed, pushed)
