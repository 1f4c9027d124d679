from _job import job

with job(snakemake):
    from pathlib import Path

    from selfalign.core.config.base import validate_section
    from selfalign.core.config.seeds import NearDuplicatesConfig
    from selfalign.seeds.minhash_nodes import write_signatures

    settings = validate_section(NearDuplicatesConfig, snakemake.params.settings, "seeds.near_duplicates")
    folder = Path(snakemake.output[0]).parents[1]
    write_signatures(snakemake.input.rows, folder, int(snakemake.wildcards.rank), settings)
