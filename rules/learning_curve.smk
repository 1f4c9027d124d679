# The learning curve: models trained on parts of the data set; included if learning_curve.instructions is set.


include: "functions/learning_curve.smk"


rule learning_curve_rows:
    input:
        dataset=result("dataset/train.jsonl"),
        candidates=curve_candidates,
        checkpoint=length_checkpoint(),
        prompt_template=bundled(config["generation"]["prompt_template"]),
    output:
        rows=result("learning_curve/rows/{responses}-{instructions}.jsonl"),
        dropped=result("learning_curve/dropped/{responses}-{instructions}.jsonl"),
        counts=result("learning_curve/counts/{responses}-{instructions}.json"),
    log:
        result("logs/learning_curve_rows/{responses}-{instructions}.log"),
    benchmark:
        result("benchmarks/learning_curve_rows/{responses}-{instructions}.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        code=fingerprint("learning_curve_rows"),
        prompt_template=contents(config["generation"]["prompt_template"]),
        fits_training=FITS_TRAINING,
        settings=settings(
            "curation.seed",
            "curation.quality.complete_code",
            "curation.quality.asserting_tests",
            "curation.quality.code_languages",
            "curation.length",
            "generation.prompt_template",
            *LENGTH_SETTINGS,
        ),
    message:
        "Take the rows of the first instructions of the data set: {wildcards.instructions}, responses: {wildcards.responses}"
    script:
        "../scripts/learning_curve_rows.py"


use rule train as learning_curve_train with:
    input:
        dataset=curve_rows,
        base=result("model/base"),
    output:
        checkpoint=temp(directory(result("learning_curve/models/{point}"))),
        metrics=result("learning_curve/models/{point}.metrics.jsonl"),
    log:
        result("logs/learning_curve_train/{point}.log"),
    benchmark:
        result("benchmarks/learning_curve_train/{point}.tsv")
    params:
        code=fingerprint("train"),
        settings=curve_training,
        work=result("learning_curve/training/{point}"),
        title=model_title(),
    message:
        "Fine-tune the base model for the learning curve: {wildcards.point}"


use rule benchmark_samples as learning_curve_samples with:
    input:
        data=benchmark_data,
        model=result("learning_curve/models/{point}"),
        base=base_of_adapter(),
        tokenizer=result("model/base"),
        revisions=model_revision(),
    output:
        samples=f"{CURVE_SCORES}/samples.jsonl",
    log:
        result("logs/learning_curve_samples/{point}.log"),
    benchmark:
        result("benchmarks/learning_curve_samples/{point}.tsv")
    message:
        "Generate samples of the learning curve's model {wildcards.point}"


use rule benchmark_score as learning_curve_score with:
    input:
        samples=f"{CURVE_SCORES}/samples.jsonl",
        data=benchmark_data,
        truth=[],
        environment=scoring_environment,
        references=[],
    output:
        verdicts=f"{CURVE_SCORES}/verdicts.jsonl",
        timings=f"{CURVE_SCORES}/timings.jsonl",
        score=f"{CURVE_SCORES}/score.json",
    log:
        result("logs/learning_curve_score/{point}.log"),
    benchmark:
        result("benchmarks/learning_curve_score/{point}.tsv")
    message:
        "Score the samples of the learning curve's model {wildcards.point} in the sandbox"


rule learning_curve:
    input:
        scores=curve_files("score.json"),
        verdicts=curve_files("verdicts.jsonl"),
        rows=[curve_rows_file(point) for point in POINTS],
        base=base_score_of_curve(),
    output:
        curve=report(
            LEARNING_CURVE,
            caption="../report/learning_curve.rst",
            category="Scores",
            labels={"model": "learning curve", "benchmark": "self_tests"},
        ),
    log:
        result("logs/learning_curve.log"),
    benchmark:
        result("benchmarks/learning_curve.tsv")
    localrule: True
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        code=fingerprint("learning_curve"),
        points=[[point.responses, point.instructions, point.learning_rate] for point in POINTS],
        layout=CURVE_LAYOUT,
    message:
        "Collect the learning curve: {output.curve}"
    script:
        "../scripts/learning_curve.py"
