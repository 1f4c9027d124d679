# Drops tests that pass with stub functions or kill few mutants; included if curation.quality.nontrivial_tests or
# curation.mutation.min_kill_rate is set.


rule nontrivial_tests:
    input:
        rows=result("dataset/sanitize_raw.jsonl"),
        environment=EXECUTION_ENVIRONMENT,
    output:
        rows=result("dataset/nontrivial_tests.jsonl"),
        dropped=result("dataset/dropped/nontrivial_tests.jsonl"),
        counts=result("dataset/counts/nontrivial_tests.json"),
    log:
        result("logs/nontrivial_tests.log"),
    benchmark:
        result("benchmarks/nontrivial_tests.tsv")
    conda:
        environment("execution")
    container:
        image("execution")
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        code=fingerprint("nontrivial_tests"),
        settings=settings(
            "execution.limits",
            "execution.image",
            "execution.environment",
            "curation.quality.nontrivial_tests",
            "curation.mutation",
        ),
    message:
        "Drop tests that pass on changed code"
    script:
        "../scripts/nontrivial_tests.py"
