from _job import job

with job(snakemake):
    from pathlib import Path

    from selfalign.evaluate.model_card import write_scored_card

    write_scored_card(
        Path(snakemake.input.model) / "README.md", snakemake.input.scores, snakemake.output.card
    )
