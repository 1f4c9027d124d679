# Execution of responses with their own tests in the sandbox.


include: "functions/execute.smk"


rule execute:
    input:
        rows=rows_of("responses", "responses/shards/{shard}.jsonl"),
        environment=EXECUTION_ENVIRONMENT,
    output:
        rows=result("execution/shards/{shard}.jsonl"),
        verdicts=result("execution/verdicts/{shard}.jsonl"),
        dropped=result("execution/dropped/{shard}.jsonl"),
        counts=result("execution/counts/{shard}.json"),
    log:
        result("logs/execute/{shard}.log"),
    benchmark:
        result("benchmarks/execute/{shard}.tsv")
    conda:
        environment("execution")
    container:
        image("execution")
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        code=fingerprint("execute"),
        settings=settings(
            "execution.limits",
            "execution.faithful",
            "execution.scope",
            "execution.image",
            "execution.environment",
        ),
    message:
        "Run the responses of shard {wildcards.shard} with their tests in the sandbox"
    script:
        "../scripts/execute.py"


if MATRIX:

    include: "execute_matrix.smk"
