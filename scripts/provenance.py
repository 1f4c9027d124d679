from pathlib import Path

from _job import job, whole_config

with job(snakemake):
    from selfalign.provenance.write import write_provenance

    write_provenance(
        whole_config(snakemake),
        snakemake.output.provenance,
        run=Path(snakemake.output.provenance).parents[1],
        artifacts=snakemake.input.artifacts,
        sources=snakemake.input.sources,
        verdicts=snakemake.input.verdicts,
        lock=snakemake.input.lock,
        project=Path(snakemake.scriptdir).parent,
    )
