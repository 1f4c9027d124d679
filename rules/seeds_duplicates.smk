# Deduplication on one node, with an index of all functions in memory.


rule deduplicate_functions:
    input:
        rows=expand(result("seeds/functions/{unit}.jsonl"), unit=UNITS),
    output:
        rows=expand(result("seeds/unique/{unit}.jsonl"), unit=UNITS),
        dropped=result("seeds/dropped/duplicates.jsonl"),
        counts=result("seeds/counts/duplicates.json"),
    log:
        result("logs/deduplicate_functions.log"),
    benchmark:
        result("benchmarks/deduplicate_functions.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=480,
    params:
        code=fingerprint("deduplicate_functions"),
        settings=settings("seeds.near_duplicates"),
    message:
        "Drop duplicates and near-duplicates among all functions"
    script:
        "../scripts/deduplicate_functions.py"
