# Implementations run with the tests of other responses; included if execution.matrix.enabled is set.


rule matrix:
    input:
        passing=result("execution/shards/{shard}.jsonl"),
        failed=result("execution/dropped/{shard}.jsonl"),
        environment=EXECUTION_ENVIRONMENT,
    output:
        matrix=result("execution/matrix/{shard}.jsonl"),
        dropped=result("matrix/dropped/{shard}.jsonl"),
        counts=result("matrix/counts/{shard}.json"),
    log:
        result("logs/matrix/{shard}.log"),
    benchmark:
        result("benchmarks/matrix/{shard}.tsv")
    conda:
        environment("execution")
    container:
        image("execution")
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=1440,
    params:
        code=fingerprint("matrix"),
        settings=settings("execution.limits", "execution.scope", "execution.image", "execution.environment"),
    message:
        "Run the implementations of shard {wildcards.shard} with the tests of other responses"
    script:
        "../scripts/matrix.py"
