from pathlib import Path

from _job import WORKFLOW, job

with job(snakemake):
    from selfalign.core.config import load_config
    from selfalign.core.config.revisions import with_commits
    from selfalign.provenance import write_provenance
    from selfalign_snakemake.internals import output_records

    write_provenance(
        with_commits(load_config(snakemake.config), snakemake.input.revisions),
        snakemake.output.provenance,
        run=Path(snakemake.output.provenance).parents[1],
        artifacts=snakemake.input.artifacts,
        sources=snakemake.input.sources,
        verdicts=snakemake.input.verdicts,
        revisions=snakemake.input.revisions,
        locks=snakemake.input.locks,
        project=WORKFLOW,
        records=output_records(),
    )
