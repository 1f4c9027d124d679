# Functions of rows that solve benchmark tasks; included if curation.decontamination.by_execution is set.


rule find_solutions:
    input:
        rows=step_before("decontaminate_by_execution"),
        data=lambda wildcards: SETS.data(wildcards.name, wildcards.version),
        truth=lambda wildcards: SETS.ground_truth(wildcards.name, wildcards.version),
        references=lambda wildcards: SETS.references(wildcards.name, wildcards.version),
        environment=lambda wildcards: installed(SETS.environment(wildcards.name)),
    output:
        solutions=result("dataset/solutions/{name}-{version}.jsonl"),
        summary=result("dataset/solutions/{name}-{version}.json"),
    log:
        result("logs/find_solutions/{name}-{version}.log"),
    benchmark:
        result("benchmarks/find_solutions/{name}-{version}.tsv")
    wildcard_constraints:
        name="[a-z0-9_]+",
    conda:
        environment("evaluation")
    container:
        image("evaluation")
    threads: 8
    resources:
        mem_mb=growing(8000),
        runtime=240,
    params:
        code=fingerprint("find_solutions"),
        directory=lambda wildcards: SETS.data_directory(wildcards.name),
        programs=lambda wildcards: SETS.environment(wildcards.name),
        limits=lambda wildcards: SETS.limits(wildcards.name),
        max_reference_failures=configured.evaluation.max_reference_failures,
    message:
        "Run the functions of all rows with the tests of {wildcards.name} {wildcards.version} in the sandbox"
    script:
        "../scripts/find_solutions.py"


rule decontaminate_by_execution:
    input:
        rows=step_before("decontaminate_by_execution"),
        solutions=[result(f"dataset/solutions/{each}.jsonl") for each in EXECUTED_BENCHMARKS],
    output:
        rows=result("dataset/decontaminate_by_execution.jsonl"),
        dropped=result("dataset/dropped/decontaminate_by_execution.jsonl"),
        counts=result("dataset/counts/decontaminate_by_execution.json"),
    log:
        result("logs/decontaminate_by_execution.log"),
    benchmark:
        result("benchmarks/decontaminate_by_execution.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        code=fingerprint("decontaminate_by_execution"),
        settings=settings("curation.decontamination.by_execution"),
    message:
        "Count the rows that solve a task of a benchmark, and drop them if configured"
    script:
        "../scripts/decontaminate_by_execution.py"
