# Provenance of a run: commit, configuration, versions, images, models, data, hosts, artifact hashes.


include: "functions/provenance.smk"


rule provenance:
    input:
        artifacts=run_artifacts,
        sources=run_sources,
        verdicts=EXECUTION_VERDICTS,
        revisions=[
            *model_revision(),
            *(source_revision() if is_built("seeds") else start_revision()),
        ],
        locks=[bundled("envs/main.lock"), bundled("envs/torch.lock")],
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
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=120,
    params:
        code=fingerprint("provenance"),
        sources=[*prompt_contents(), *contents("envs/main.lock")],
    message:
        "Record the inputs, environment and artifact hashes of the run"
    script:
        "../scripts/provenance.py"
