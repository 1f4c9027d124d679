# Commits of branches and tags on the hub, resolved once and recorded; they are resolved again only if requested
# (docs/how-to/own-model.md).


rule resolve_revision:
    output:
        # update: a failed attempt keeps the previous record.
        record=update(f"{REVISIONS}/{{kind}}--{{repository}}@{{revision}}.json"),
    log:
        result("logs/resolve_revision/{kind}--{repository}@{revision}.log"),
    benchmark:
        result("benchmarks/resolve_revision/{kind}--{repository}@{revision}.tsv")
    retries: 2
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=10,
    params:
        asked=asked_revision,
    message:
        "Resolve revision {params.asked[revision]} of {params.asked[kind]} {params.asked[name]} to a commit"
    script:
        "../scripts/resolve_revision.py"
