# Evaluation on benchmarks: ground truth, samples, verdicts, scores.


include: "functions/evaluate.smk"


rule ground_truth:
    input:
        data=lambda wildcards: SETS.data(wildcards.name, wildcards.version),
        environment=lambda wildcards: installed(SETS.environment(wildcards.name)),
    output:
        truth=f"{GROUND_TRUTH}.jsonl",
        limits=f"{GROUND_TRUTH}.limits.json",
    log:
        result("logs/ground_truth/{name}-{version}.log"),
    benchmark:
        result("benchmarks/ground_truth/{name}-{version}.tsv")
    cache: CACHING
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 8
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        code=fingerprint("ground_truth"),
        directory=lambda wildcards: SETS.data_directory(wildcards.name),
        settings=settings("evaluation.min_time_limit_s", "evaluation.time_limit_factor"),
        programs=lambda wildcards: SETS.environment(wildcards.name),
    message:
        "Compute the ground truth of {wildcards.name} {wildcards.version} from its reference solutions"
    script:
        "../scripts/ground_truth.py"


rule references:
    input:
        data=lambda wildcards: SETS.data(wildcards.name, wildcards.version),
        truth=lambda wildcards: SETS.ground_truth(wildcards.name, wildcards.version),
        environment=lambda wildcards: installed(SETS.environment(wildcards.name)),
    output:
        results=f"{REFERENCES}.json",
    log:
        result("logs/references/{name}-{version}.log"),
    benchmark:
        result("benchmarks/references/{name}-{version}.tsv")
    cache: CACHING
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 8
    resources:
        mem_mb=growing(8000),
        runtime=120,
    params:
        code=fingerprint("references"),
        directory=lambda wildcards: SETS.data_directory(wildcards.name),
        limits=lambda wildcards: SETS.limits(wildcards.name),
        programs=lambda wildcards: SETS.environment(wildcards.name),
    message:
        "Run the reference solutions of {wildcards.name} {wildcards.version} with their tests"
    script:
        "../scripts/references.py"


rule benchmark_samples:
    input:
        data=benchmark_data,
        model=scored_checkpoint,
        base=adapted_checkpoint,
        tokenizer=tokenizer_source,
        revisions=model_revision(),
        repaired=repaired_samples,
    output:
        samples=f"{SCORES}/samples.jsonl",
    log:
        result("logs/benchmark_samples/{model}-{layout}-{benchmark}.log"),
    benchmark:
        result("benchmarks/benchmark_samples/{model}-{layout}-{benchmark}.tsv")
    conda:
        environment(serving("evaluation"))
    container:
        image(serving("evaluation"))
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=720,
        gpu=server_gpus(),
    params:
        code=fingerprint("benchmark_samples"),
        directory=benchmark_directory,
        sampling=sampling,
        settings=sampling_settings,
    message:
        "Generate samples of the {wildcards.model} model for {wildcards.benchmark}, layout {wildcards.layout}"
    script:
        "../scripts/benchmark_samples.py"


rule benchmark_score:
    input:
        samples=rules.benchmark_samples.output.samples,
        data=benchmark_data,
        truth=ground_truth,
        environment=scoring_environment,
        references=references,
    output:
        verdicts=f"{SCORES}/verdicts.jsonl",
        timings=f"{SCORES}/timings.jsonl",
        score=report(
            f"{SCORES}/score.json",
            caption="../report/score.rst",
            category="Scores",
            labels={"model": "{model}", "benchmark": "{benchmark}, {layout}"},
        ),
    log:
        result("logs/benchmark_score/{model}-{layout}-{benchmark}.log"),
    benchmark:
        result("benchmarks/benchmark_score/{model}-{layout}-{benchmark}.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 8
    resources:
        mem_mb=growing(8000),
        runtime=120,
    params:
        code=fingerprint("benchmark_score"),
        directory=benchmark_directory,
        scoring=scoring,
    message:
        "Score the {wildcards.model} model's samples for {wildcards.benchmark}, layout {wildcards.layout}, in the sandbox"
    script:
        "../scripts/benchmark_score.py"


rule scores:
    input:
        scores=[f"{samples.directory}/score.json" for samples in SETS.own.values()],
        verdicts=[f"{samples.directory}/verdicts.jsonl" for samples in SETS.own.values()],
        solutions=SOLUTIONS_IN_ROWS,
    output:
        summary=report(
            result("scores/summary.json"),
            caption="../report/summary.rst",
            category="Scores",
            labels={"model": "both", "benchmark": "all"},
        ),
    log:
        result("logs/scores.log"),
    benchmark:
        result("benchmarks/scores.tsv")
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
        code=fingerprint("scores"),
        scored=SCORED,
    message:
        "Summarize the scores and compare the base and the tuned model"
    script:
        "../scripts/scores.py"


rule model_card:
    input:
        model=result("model/tuned"),
        scores=rules.scores.output.summary,
    output:
        card=report(
            result("model/README.md"),
            caption="../report/model_card.rst",
            category="Scores",
            labels={"model": "tuned", "benchmark": "model card"},
        ),
    log:
        result("logs/model_card.log"),
    benchmark:
        result("benchmarks/model_card.tsv")
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
        code=fingerprint("model_card"),
    message:
        "Add the scores to the model card of the tuned model"
    script:
        "../scripts/model_card.py"


# Empty if there is no learning curve.
LEARNING_CURVE = []


if config["learning_curve"]["instructions"]:

    include: "learning_curve.smk"


# Empty if only the last checkpoint is scored.
CHECKPOINT_SCORES = []


if KEPT_CHECKPOINTS:

    include: "checkpoints.smk"
