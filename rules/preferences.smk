# Pairs of a preferred and a rejected response, and the training on them; included if preferences.enabled is set.


rule preferences:
    input:
        dataset=result("dataset/train.jsonl"),
        matrices=shards("execution", "matrix"),
        passing=shards("execution"),
        failed=shards("execution", "dropped"),
        benchmarks=[path for each in CURATION_BENCHMARKS for path in each.files],
        prompt_template=bundled(config["generation"]["prompt_template"]),
    output:
        pairs=report(
            result("preferences/train.jsonl"),
            caption="../report/preferences.rst",
            category="Data set",
            labels={"file": "preferences"},
        ),
        dropped=result("preferences/dropped/pairs.jsonl"),
        counts=result("preferences/counts/pairs.json"),
    log:
        result("logs/preferences.log"),
    benchmark:
        result("benchmarks/preferences.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("preferences"),
        prompt_template=contents(config["generation"]["prompt_template"]),
        settings=settings(
            "generation.prompt_template",
            "preferences.max_pairs_per_instruction",
            "curation.quality.complete_code",
            "curation.quality.asserting_tests",
            "curation.quality.code_languages",
            "curation.decontamination.ngram",
            "seeds.contamination.exempt",
        ),
        benchmarks=[each.to_json() for each in CURATION_BENCHMARKS],
    message:
        "Make pairs of preferred and rejected responses"
    script:
        "../scripts/preferences.py"


rule preferences_card:
    input:
        pairs=result("preferences/train.jsonl"),
        funnel=result("report/funnel.json"),
    output:
        parquet=result("preferences/train.parquet"),
        card=report(
            result("preferences/README.md"),
            caption="../report/card.rst",
            category="Data set",
            labels={"file": "card of the preferences"},
        ),
        checksums=result("preferences/SHA256SUMS"),
    log:
        result("logs/preferences_card.log"),
    benchmark:
        result("benchmarks/preferences_card.tsv")
    localrule: True
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=30,
    params:
        code=fingerprint("preferences_card"),
        model=teacher_title(),
        settings=settings(
            "model",
            "start",
            "seeds",
            "generation",
            "execution",
            "curation",
            "preferences.max_pairs_per_instruction",
        ),
        benchmarks=[each.to_json() for each in CURATION_BENCHMARKS],
    message:
        "Write the preferences as Parquet, their card and checksums"
    script:
        "../scripts/preferences_card.py"


rule prefer:
    input:
        pairs=result("preferences/train.jsonl"),
        tuned=result("model/tuned"),
    output:
        checkpoint=directory(result("model/preferred")),
        metrics=report(
            result("model/preferred.metrics.jsonl"),
            caption="../report/training.rst",
            category="Training",
            labels={"file": "metrics of the training on preferences"},
        ),
    log:
        result("logs/prefer.log"),
    benchmark:
        result("benchmarks/prefer.tsv")
    conda:
        environment("training")
    container:
        image("training")
    threads: 64
    resources:
        mem_mb=growing(24000),
        runtime=720,
        gpu=config["training"]["gpus"],
    params:
        code=fingerprint("prefer"),
        settings=settings(
            "training",
            "preferences.beta",
            "preferences.learning_rate",
            "preferences.num_train_epochs",
            "preferences.max_steps",
            "preferences.per_device_train_batch_size",
            "preferences.gradient_accumulation_steps",
        ),
        work=result("model/preference_training"),
        title=model_title(),
    message:
        "Train the tuned model on preferences"
    script:
        "../scripts/prefer.py"


use rule model_card as preferred_model_card with:
    input:
        model=result("model/preferred"),
        scores=rules.scores.output.summary,
    output:
        card=report(
            result("model/preferred.README.md"),
            caption="../report/model_card.rst",
            category="Scores",
            labels={"model": "preferred", "benchmark": "model card"},
        ),
    log:
        result("logs/preferred_model_card.log"),
    benchmark:
        result("benchmarks/preferred_model_card.tsv")
    message:
        "Add the scores to the model card of the model trained on preferences"
