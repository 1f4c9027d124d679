# Pinned third-party files: benchmark data, published samples, few-shot examples. Each has a URL and a checksum.


include: "functions/download.smk"


rule download:
    output:
        file=f"{DOWNLOADS}/{{pinned}}",
    log:
        result("logs/download/{pinned}.log"),
    benchmark:
        result("benchmarks/download/{pinned}.tsv")
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=60,
    params:
        code=fingerprint("download"),
        file=pinned_file,
    message:
        "Download {params.file[url]}"
    script:
        "../scripts/download.py"


# Benchmark data that are published on the hub as Parquet files, with a commit or branch in place of a checksum.
rule fetch_table:
    input:
        revision=table_revision,
    output:
        file=f"{DOWNLOADS}/{{table}}",
    log:
        result("logs/fetch_table/{table}.log"),
    benchmark:
        result("benchmarks/fetch_table/{table}.tsv")
    retries: 2
    localrule: True
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("fetch_table"),
        file=table_file,
    message:
        "Fetch {params.file[path]} of dataset {params.file[dataset]} at revision {params.file[revision]}"
    script:
        "../scripts/fetch_table.py"
