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
