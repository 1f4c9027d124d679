from _job import job, job_config

with job(snakemake):
    from pathlib import Path

    from selfalign.report.files import RunFiles
    from selfalign.report.page import write_configuration, write_page

    def one(name):
        path = snakemake.input.get(name)
        return Path(path) if path else None

    def optional(name):
        return next(iter(many(name)), None)

    def many(name):
        return tuple(map(Path, snakemake.input.get(name, ())))

    run = Path(snakemake.output.page).parent.parent
    table = run / "reproduce/table.json"
    write_page(
        snakemake.output.page,
        run=snakemake.params.run,
        files=RunFiles(
            funnel=Path(snakemake.input.funnel),
            statistics=one("statistics"),
            dataset=one("dataset"),
            checksums=one("checksums"),
            training=one("training"),
            preferences=optional("preferences"),
            preference_training=optional("preference_training"),
            scores=one("scores"),
            learning_curve=one("learning_curve") if snakemake.input.learning_curve else None,
            checkpoint_scores=one("checkpoint_scores"),
            rounds=one("rounds"),
            provenance=one("provenance"),
            **{kind: many(kind) for kind in ("concepts", "metrics", "verdicts", "dropped")},
            cards=tuple(Path(model) / "selfalign.json" for model in snakemake.input.models),
            # Shown where it was made; the report does not ask for it.
            reproduction=table if table.exists() else None,
            benchmarks=run / "benchmarks",
        ),
        configuration=snakemake.config,  # shown as a whole
        settings=job_config(snakemake).report,
    )
    write_configuration(snakemake.output.configuration, snakemake.config)
