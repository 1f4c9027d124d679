from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.decontaminate import decontaminate_by_execution_file

    counts = decontaminate_by_execution_file(
        snakemake.input.rows,
        snakemake.input.solutions,
        snakemake.output.rows,
        snakemake.output.dropped,
        drop=job_config(snakemake).curation.decontamination.by_execution == "drop",
    )
    write_json(snakemake.output.counts, counts.to_json())
