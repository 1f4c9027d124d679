# Keeps the best response of each instruction, by agreement; included if curation.consensus is set.


rule consensus:
    input:
        rows=step_before("consensus"),
        matrices=shards("execution", "matrix"),
    output:
        rows=result("dataset/consensus.jsonl"),
        dropped=result("dataset/dropped/consensus.jsonl"),
        counts=result("dataset/counts/consensus.json"),
    log:
        result("logs/consensus.log"),
    benchmark:
        result("benchmarks/consensus.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("consensus"),
        settings=settings(
            "curation.quality.complete_code",
            "curation.quality.asserting_tests",
            "curation.quality.code_languages",
        ),
    message:
        "Keep the response to each instruction that agrees most with the others"
    script:
        "../scripts/consensus.py"
