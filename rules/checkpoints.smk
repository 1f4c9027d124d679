# Scores of the checkpoints before the last one; included if evaluation.checkpoints is each_epoch or all.


include: "functions/checkpoints.smk"


checkpoint checkpoint_steps:
    input:
        checkpoints=KEPT_CHECKPOINTS,
        metrics=rules.train.output.metrics,
    output:
        steps=result("scores/checkpoints/steps.jsonl"),
    log:
        result("logs/checkpoint_steps.log"),
    benchmark:
        result("benchmarks/checkpoint_steps.tsv")
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
        code=fingerprint("checkpoint_steps"),
    message:
        "List the checkpoints of the training: {input.checkpoints}"
    script:
        "../scripts/checkpoint_steps.py"


use rule benchmark_samples as checkpoint_samples with:
    input:
        data=benchmark_data,
        model=KEPT_CHECKPOINTS,
        base=base_of_adapter(),
        tokenizer=tokenizer_source,
        revisions=model_revision(),
        repaired=repaired_samples,
    output:
        samples=f"{CHECKPOINT}/samples.jsonl",
    log:
        result("logs/checkpoint_samples/{step}-{layout}-{benchmark}.log"),
    benchmark:
        result("benchmarks/checkpoint_samples/{step}-{layout}-{benchmark}.tsv")
    params:
        code=fingerprint("benchmark_samples"),
        directory=benchmark_directory,
        sampling=sampling,
        settings=sampling_settings,
        checkpoint="step-{step}",
    message:
        "Generate samples of the checkpoint at step {wildcards.step} for {wildcards.benchmark}, layout {wildcards.layout}"


use rule benchmark_score as checkpoint_score with:
    input:
        samples=f"{CHECKPOINT}/samples.jsonl",
        data=benchmark_data,
        truth=ground_truth,
        environment=scoring_environment,
        references=references,
    output:
        verdicts=f"{CHECKPOINT}/verdicts.jsonl",
        timings=f"{CHECKPOINT}/timings.jsonl",
        score=f"{CHECKPOINT}/score.json",
    log:
        result("logs/checkpoint_score/{step}-{layout}-{benchmark}.log"),
    benchmark:
        result("benchmarks/checkpoint_score/{step}-{layout}-{benchmark}.tsv")
    message:
        "Score the samples of the checkpoint at step {wildcards.step} for {wildcards.benchmark}, layout {wildcards.layout}"


rule checkpoint_scores:
    input:
        steps=result("scores/checkpoints/steps.jsonl"),
        scores=checkpoint_score_files,
    output:
        table=report(
            CHECKPOINT_SCORES,
            caption="../report/checkpoints.rst",
            category="Scores",
            labels={"model": "checkpoints of the training", "benchmark": "all"},
        ),
    log:
        result("logs/checkpoint_scores.log"),
    benchmark:
        result("benchmarks/checkpoint_scores.tsv")
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
        code=fingerprint("checkpoint_scores"),
        scored=TUNED_LAYOUTS_AND_BENCHMARKS,
    message:
        "Collect the scores of the checkpoints: {output.table}"
    script:
        "../scripts/checkpoint_scores.py"
