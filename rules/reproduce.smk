# Comparison with published figures: published samples, and samples of the released model, scored as those of the run.


use rule benchmark_score as published_score with:
    input:
        samples=published_samples,
        published=published_verdicts,
        data=benchmark_data,
        truth=ground_truth,
        environment=scoring_environment,
        references=references,
    output:
        verdicts=f"{REPRODUCED}/verdicts.jsonl",
        timings=f"{REPRODUCED}/timings.jsonl",
        score=f"{REPRODUCED}/score.json",
        comparison=f"{REPRODUCED}/comparison.json",
    log:
        result("logs/published_score/{published}.log"),
    benchmark:
        result("benchmarks/published_score/{published}.tsv")
    message:
        "Score the published samples {wildcards.published}"


# The released model, configured by its preset and run by the same scripts. Only the rule reproduce requests it.
use rule base_model as released_model with:
    input:
        source=[],
        revisions=model_revision(RELEASED.model),
    output:
        checkpoint=directory(f"{DOWNLOADS}/models/released/base"),
    log:
        result("logs/released_model.log"),
    benchmark:
        result("benchmarks/released_model.tsv")
    cache: CACHING and not model_revision(RELEASED.model)
    params:
        code=fingerprint("base_model"),
        settings=decisive_values(RELEASED, "model"),
        preset="released-model",
    message:
        "Fetch the checkpoint of the released model ({params.settings[model][id]})"


use rule benchmark_samples as released_samples with:
    input:
        data=benchmark_data,
        model=[] if RELEASED.server.kind == "external" else rules.released_model.output.checkpoint,
        tokenizer=[] if RELEASED.server.kind == "external" else rules.released_model.output.checkpoint,
        revisions=model_revision(RELEASED.model),
    output:
        samples=f"{RELEASED_SCORES}/samples.jsonl",
    log:
        result("logs/released_samples/{benchmark}.log"),
    benchmark:
        result("benchmarks/released_samples/{benchmark}.tsv")
    wildcard_constraints:
        benchmark=alternatives(SETS.released),
    params:
        code=fingerprint("benchmark_samples"),
        directory=benchmark_directory,
        sampling=sampling,
        settings=sampling_settings,
        preset="released-model",
    message:
        "Generate samples of the released model for {wildcards.benchmark}"


use rule benchmark_score as released_score with:
    input:
        samples=rules.released_samples.output.samples,
        data=benchmark_data,
        truth=ground_truth,
        environment=scoring_environment,
        references=references,
    output:
        verdicts=f"{RELEASED_SCORES}/verdicts.jsonl",
        timings=f"{RELEASED_SCORES}/timings.jsonl",
        score=f"{RELEASED_SCORES}/score.json",
    log:
        result("logs/released_score/{benchmark}.log"),
    benchmark:
        result("benchmarks/released_score/{benchmark}.tsv")
    wildcard_constraints:
        benchmark=alternatives(SETS.released),
    message:
        "Score the released model's samples for {wildcards.benchmark} in the sandbox"


rule reproduce:
    input:
        unpack(reproduction_files),
    output:
        markdown=result("reproduce/table.md"),
        html=report(
            result("reproduce/table.html"),
            caption="../report/reproduction.rst",
            category="Reproduction",
            labels={"file": "table"},
        ),
        json=result("reproduce/table.json"),
    log:
        result("logs/reproduce.log"),
    benchmark:
        result("benchmarks/reproduce.tsv")
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
        code=fingerprint("reproduce"),
        obtained=reproduction_rows,
    message:
        "Write the reproduction table: {output.markdown}"
    script:
        "../scripts/reproduce.py"
