# The funnel and the report page of a run, and the comparison of several runs.


include: "functions/report.smk"


rule funnel:
    input:
        counts=funnel_counts,
    output:
        funnel=report(
            result("report/funnel.json"),
            caption="../report/funnel.rst",
            category="Overview",
            labels={"file": "funnel"},
        ),
    log:
        result("logs/funnel.log"),
    benchmark:
        result("benchmarks/funnel.tsv")
    # Before training, so that it exists if training has too few rows to start.
    priority: 10
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=10,
    params:
        code=fingerprint("funnel"),
        run=config["run"] if ROUND == 1 else f"{config['run']}, round {ROUND}",
    message:
        "Collect the funnel: rows read, kept and dropped by every step"
    script:
        "../scripts/funnel.py"


rule report:
    input:
        funnel=rules.funnel.output.funnel,
        statistics=rules.seed_statistics.output.statistics if is_built("seeds") else [],
        concepts=CONCEPTS,
        metrics=GENERATION_METRICS,
        verdicts=EXECUTION_VERDICTS,
        dropped=dropped_rows(),
        dataset=rules.dataset.output.train,
        checksums=rules.dataset_card.output.checksums,
        models=[result("model/base"), result("model/tuned"), *PREFERRED_MODEL],
        training=rules.train.output.metrics,
        preferences=PREFERENCE_PAIRS,
        preference_training=PREFERRED_METRICS,
        scores=rules.scores.output.summary,
        learning_curve=LEARNING_CURVE,
        checkpoint_scores=CHECKPOINT_SCORES,
        rounds=ROUNDS,
        provenance=result("report/provenance.json"),
    output:
        page=report(
            result("report/index.html"),
            caption="../report/page.rst",
            category="Overview",
            labels={"file": "the run on one page"},
        ),
        # For `snakemake compare` and for readers.
        configuration=result("report/configuration.yaml"),
    log:
        result("logs/report.log"),
    benchmark:
        result("benchmarks/report.tsv")
    localrule: True
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        code=fingerprint("report"),
        run=config["run"],
        settings=settings("report"),
    message:
        "Write the report of the run: {output.page}"
    script:
        "../scripts/report.py"


rule compare:
    input:
        funnels=compared("report/funnel.json"),
        scores=compared("scores/summary.json"),
        configurations=compared("report/configuration.yaml"),
    output:
        page=report(
            COMPARISON,
            caption="../report/compare.rst",
            category="Overview",
            labels={"file": "runs side by side"},
        ),
    log:
        result("logs/compare.log"),
    benchmark:
        result("benchmarks/compare.tsv")
    localrule: True
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        code=fingerprint("compare"),
    message:
        "Compare the runs on one page: {output.page}"
    script:
        "../scripts/compare.py"
