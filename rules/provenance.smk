# What a run used and what it made: commit, configuration, versions, images, models, data, hosts, hashes.


include: "functions/provenance.smk"


rule provenance:
    input:
        artifacts=run_artifacts,
        sources=run_sources,
        verdicts=shards("execution", "verdicts"),
        lock=bundled("envs/main.lock"),
        revisions=[*model_revision(), *source_revision()],
    output:
        provenance=report(
            result("report/provenance.json"),
            caption="../report/provenance.rst",
            category="Overview",
            labels={"file": "provenance"},
        ),
    log:
        result("logs/provenance.log"),
    benchmark:
        result("benchmarks/provenance.tsv")
    conda:
        "../envs/selfalign.yaml"
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=120,
    params:
        code=fingerprint("provenance"),
        sources=[*prompt_contents(), *contents("envs/main.lock")],
    message:
        "Record what the run used and the hash of everything it made"
    script:
        "../scripts/provenance.py"
