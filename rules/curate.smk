# From passing responses to the data set that is handed over.

# The counts of the stage, in the order of its steps.
CURATION_STEPS = ["sanitize_raw", "select", "sanitize_smart", "decontaminate"]
CURATION_COUNTS = [result(f"dataset/counts/{step}.json") for step in CURATION_STEPS]


rule sanitize_raw:
    input:
        rows=shards("execution"),
    output:
        rows=result("dataset/sanitize_raw.jsonl"),
        dropped=result("dataset/dropped/sanitize_raw.jsonl"),
        counts=result("dataset/counts/sanitize_raw.json"),
    log:
        result("logs/sanitize_raw.log"),
    benchmark:
        result("benchmarks/sanitize_raw.tsv")
    conda:
        "../envs/selfalign.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=fingerprint("sanitize"),
        sanitizing="raw",
        seed=config["curation"]["seed"],
    message:
        "Sanitise the passing responses, keeping their section tags"
    script:
        "../scripts/sanitize.py"


rule select:
    input:
        rows=result("dataset/sanitize_raw.jsonl"),
    output:
        rows=result("dataset/select.jsonl"),
        dropped=result("dataset/dropped/select.jsonl"),
        counts=result("dataset/counts/select.json"),
    log:
        result("logs/select.log"),
    benchmark:
        result("benchmarks/select.tsv")
    conda:
        "../envs/selfalign.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        code=fingerprint("select"),
        seed=config["curation"]["seed"],
        diversify_names=config["curation"]["diversify_names"],
    message:
        "Shuffle and drop what says the same again"
    script:
        "../scripts/select.py"


rule sanitize_smart:
    input:
        rows=[result("dataset/select.jsonl")],
    output:
        rows=result("dataset/sanitize_smart.jsonl"),
        dropped=result("dataset/dropped/sanitize_smart.jsonl"),
        counts=result("dataset/counts/sanitize_smart.json"),
    log:
        result("logs/sanitize_smart.log"),
    benchmark:
        result("benchmarks/sanitize_smart.tsv")
    conda:
        "../envs/selfalign.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=fingerprint("sanitize"),
        sanitizing="smart",
        seed=config["curation"]["seed"],
    message:
        "Make the final text of the selected responses"
    script:
        "../scripts/sanitize.py"


rule decontaminate:
    input:
        rows=result("dataset/sanitize_smart.jsonl"),
    output:
        rows=result("dataset/decontaminate.jsonl"),
        dropped=result("dataset/dropped/decontaminate.jsonl"),
        counts=result("dataset/counts/decontaminate.json"),
    log:
        result("logs/decontaminate.log"),
    benchmark:
        result("benchmarks/decontaminate.tsv")
    conda:
        "../envs/selfalign.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=fingerprint("decontaminate"),
        settings=config["curation"]["decontamination"],
    message:
        "Drop rows in which a benchmark's text is found"
    script:
        "../scripts/decontaminate.py"


rule dataset:
    input:
        rows=result("dataset/decontaminate.jsonl"),
        counts=CURATION_COUNTS,
    output:
        train=report(
            result("dataset/train.jsonl"),
            caption="../report/dataset.rst",
            category="Data set",
            labels={"file": "rows"},
        ),
        parquet=result("dataset/train.parquet"),
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
        result("logs/dataset.log"),
    benchmark:
        result("benchmarks/dataset.tsv")
    conda:
        "../envs/selfalign.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=fingerprint("dataset"),
        model=model_title(),
        against=config["curation"]["decontamination"]["against"],
    message:
        "Hand over the data set: JSON Lines, Parquet, card, checksums"
    script:
        "../scripts/dataset.py"
