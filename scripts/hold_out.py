from _job import job, job_config

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.curate.hold_out import hold_out_file

    counts = hold_out_file(
        snakemake.input.rows,
        snakemake.output.rows,
        snakemake.output.dropped,
        job_config(snakemake).curation.self_tests,
        held_out_before=snakemake.input.get("held_out_before") or None,
    )
    write_json(snakemake.output.counts, counts.to_json())
