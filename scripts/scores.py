from _job import job

with job(snakemake):
    from pathlib import Path

    from selfalign.evaluate.score import write_summary

    directories = [Path(score).parent for score in snakemake.input.scores]
    scored = [(model, layout, benchmark) for model, layout, benchmark in snakemake.params.scored]
    write_summary(
        dict(zip(scored, directories, strict=True)), snakemake.output.summary, snakemake.input.solutions
    )
