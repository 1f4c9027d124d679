from _job import job

with job(snakemake):
    from pathlib import Path

    from selfalign.core.config.learning_curve import CurvePoint
    from selfalign.evaluate.learning_curve import write_learning_curve

    points = [CurvePoint(*each) for each in snakemake.params.points]
    directories = [Path(score).parent for score in snakemake.input.scores]
    base = snakemake.input.get("base")
    write_learning_curve(
        dict(zip(points, directories, strict=True)),
        snakemake.input.rows,
        snakemake.output.curve,
        layout=snakemake.params.layout,
        base=Path(base[0]).parent if base else None,
    )
