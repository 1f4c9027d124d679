# The held-out instructions and the benchmark made of them; included if curation.self_tests.share is above 0.


rule hold_out:
    input:
        rows=result("dataset/decontaminate.jsonl"),
        held_out_before=held_out_before(),
    output:
        rows=result("dataset/hold_out.jsonl"),
        dropped=result("dataset/dropped/hold_out.jsonl"),
        counts=result("dataset/counts/hold_out.json"),
    log:
        result("logs/hold_out.log"),
    benchmark:
        result("benchmarks/hold_out.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("hold_out"),
        settings=settings(
            "curation.self_tests.share",
            "curation.self_tests.threshold",
            "curation.self_tests.num_perm",
            "curation.self_tests.ngram",
        ),
    message:
        "Hold out a share of the instructions for the benchmark self_tests"
    script:
        "../scripts/hold_out.py"


rule self_tests:
    input:
        held_out=result("dataset/dropped/hold_out.jsonl"),
        passing=shards("execution"),
        failed=shards("execution", "dropped"),
        environment=EXECUTION_ENVIRONMENT,
    output:
        tasks=result("self_tests/tasks.jsonl"),
        dropped=result("self_tests/dropped/tasks.jsonl"),
        counts=result("self_tests/counts/tasks.json"),
    log:
        result("logs/self_tests.log"),
    benchmark:
        result("benchmarks/self_tests.tsv")
    conda:
        environment("execution")
    container:
        image("execution")
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        code=fingerprint("self_tests"),
        settings=settings("curation.self_tests.distinct_siblings", "execution.image", "execution.environment"),
    message:
        "Make the tasks of the benchmark self_tests of the held-out instructions"
    script:
        "../scripts/self_tests.py"
