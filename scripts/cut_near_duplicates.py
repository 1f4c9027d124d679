from _job import job

with job(snakemake):
    from selfalign.core.jsonl import write_json
    from selfalign.seeds.minhash_cuts import cut_unit

    steps = cut_unit(
        snakemake.input.rows, snakemake.input.cuts, snakemake.output.rows, snakemake.output.dropped
    )
    write_json(snakemake.output.counts, [step.to_json() for step in steps])
