# Curation: sanitising, selection, decontamination and export of the responses that pass.


include: "functions/curate.smk"


rule sanitize_raw:
    input:
        rows=all_rows_of("filtered", "execution/shards/{shard}.jsonl") if RESPONSES != "failing" else [],
        failed=shards("execution", "dropped") if RESPONSES != "passing" else [],
        prompt_template=bundled(config["generation"]["prompt_template"]),
    output:
        rows=result("dataset/sanitize_raw.jsonl"),
        dropped=result("dataset/dropped/sanitize_raw.jsonl"),
        counts=result("dataset/counts/sanitize_raw.json"),
    log:
        result("logs/sanitize_raw.log"),
    benchmark:
        result("benchmarks/sanitize_raw.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("sanitize"),
        prompt_template=contents(config["generation"]["prompt_template"]),
        sanitizing="raw",
        responses=RESPONSES,
        settings=settings("curation.seed", "generation.prompt_template"),
    message:
        "Sanitise the passing responses, keeping their section tags"
    script:
        "../scripts/sanitize.py"


if NONTRIVIAL_TESTS:

    include: "curate_nontrivial_tests.smk"


if CONSENSUS:

    include: "curate_consensus.smk"


rule select:
    input:
        rows=step_before("select"),
    output:
        rows=result("dataset/select.jsonl"),
        dropped=result("dataset/dropped/select.jsonl"),
        counts=result("dataset/counts/select.json"),
    log:
        result("logs/select.log"),
    benchmark:
        result("benchmarks/select.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=60,
    params:
        code=fingerprint("select"),
        settings=settings(
            "curation.seed",
            "curation.quality.complete_code",
            "curation.quality.asserting_tests",
            "curation.quality.code_languages",
            "curation.duplicates",
            "curation.diversify_names",
            "curation.max_rows",
        ),
    message:
        "Shuffle and drop duplicates"
    script:
        "../scripts/select.py"


rule sanitize_smart:
    input:
        rows=[result("dataset/select.jsonl")],
        checkpoint=length_checkpoint(),
        prompt_template=bundled(config["generation"]["prompt_template"]),
    output:
        rows=result("dataset/sanitize_smart.jsonl"),
        dropped=result("dataset/dropped/sanitize_smart.jsonl"),
        counts=result("dataset/counts/sanitize_smart.json"),
    log:
        result("logs/sanitize_smart.log"),
    benchmark:
        result("benchmarks/sanitize_smart.tsv")
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        code=fingerprint("sanitize"),
        prompt_template=contents(config["generation"]["prompt_template"]),
        sanitizing="smart",
        responses="passing",
        fits_training=FITS_TRAINING,
        settings=settings("curation.seed", "curation.length", "generation.prompt_template", *LENGTH_SETTINGS),
    message:
        "Make the final text of the selected responses"
    script:
        "../scripts/sanitize.py"


if not is_built("dataset"):

    include: "curate_length.smk"


rule decontaminate:
    input:
        rows=step_before("decontaminate"),
        benchmarks=[path for each in CURATION_BENCHMARKS for path in each.files],
    output:
        rows=result("dataset/decontaminate.jsonl"),
        dropped=result("dataset/dropped/decontaminate.jsonl"),
        counts=result("dataset/counts/decontaminate.json"),
    log:
        result("logs/decontaminate.log"),
    benchmark:
        result("benchmarks/decontaminate.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("decontaminate"),
        settings=settings("curation.decontamination.ngram", "seeds.contamination.exempt"),
        benchmarks=[each.to_json() for each in CURATION_BENCHMARKS],
    message:
        "Drop rows that contain the text of a benchmark"
    script:
        "../scripts/decontaminate.py"


if SELF_TESTS:

    include: "curate_self_tests.smk"


if BY_EXECUTION:

    include: "curate_by_execution.smk"


rule dataset:
    input:
        rows=result(f"dataset/{CURATION_STEPS[-1]}.jsonl"),
    output:
        train=report(
            result("dataset/train.jsonl"),
            caption="../report/dataset.rst",
            category="Data set",
            labels={"file": "rows"},
        ),
        train_parquet=result("dataset/train.parquet"),
        test=TEST_FILES,
    log:
        result("logs/dataset.log"),
    benchmark:
        result("benchmarks/dataset.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("dataset"),
        settings=settings("curation.export.test_share", "curation.seed"),
    message:
        "Export the data set: train and test, JSON Lines and Parquet"
    script:
        "../scripts/dataset.py"


rule dataset_card:
    input:
        train=result("dataset/train.jsonl"),
        parquet=result("dataset/train.parquet"),
        test=TEST_FILES,
        funnel=result("report/funnel.json"),
    output:
        card=report(
            result("dataset/README.md"),
            caption="../report/card.rst",
            category="Data set",
            labels={"file": "card"},
        ),
        checksums=report(
            result("dataset/SHA256SUMS"),
            caption="../report/checksums.rst",
            category="Data set",
            labels={"file": "checksums"},
        ),
    log:
        result("logs/dataset_card.log"),
    benchmark:
        result("benchmarks/dataset_card.tsv")
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
        code=fingerprint("dataset_card"),
        model=teacher_title(),
        settings=settings("model", "start", "seeds", "generation", "execution", "curation"),
        benchmarks=[each.to_json() for each in CURATION_BENCHMARKS],
        responses=RESPONSES,
    message:
        "Write the data set card and checksums"
    script:
        "../scripts/dataset_card.py"


# Only runs if requested: `snakemake push_dataset` (curation.export.hub).
rule push_dataset:
    input:
        files=[
            result("dataset/README.md"),
            result("dataset/SHA256SUMS"),
            result("dataset/train.jsonl"),
            result("dataset/train.parquet"),
            *TEST_FILES,
        ],
    output:
        pushed=result("dataset/pushed.json"),
    log:
        result("logs/push_dataset.log"),
    benchmark:
        result("benchmarks/push_dataset.tsv")
    retries: 2
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=120,
    params:
        code=fingerprint("push_dataset"),
        repository=config["curation"]["export"]["hub"],
        private=config["curation"]["export"]["private"],
    message:
        "Upload the data set to {params.repository}"
    script:
        "../scripts/push_dataset.py"
