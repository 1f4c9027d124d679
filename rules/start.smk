# The import of rows from elsewhere, at which the run starts; included if start.stage is set.


rule import_rows:
    input:
        files=start_files(),
        revisions=start_revision(),
    output:
        rows=result("start/rows.jsonl"),
        counts=result("start/counts/import.json"),
    log:
        result("logs/import_rows.log"),
    benchmark:
        result("benchmarks/import_rows.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=240,
    params:
        code=fingerprint("import_rows"),
        settings=settings("start.stage", "start.dataset", "start.revision", "start.files", "start.rename"),
    message:
        "Import the rows of {params.settings[start.dataset]}"
    script:
        "../scripts/import_rows.py"


use rule seed_shard as import_shard with:
    input:
        pool=result("start/rows.jsonl"),
    output:
        rows=result("start/shards/{shard}.jsonl"),
    log:
        result("logs/import_shard/{shard}.log"),
    benchmark:
        result("benchmarks/import_shard/{shard}.tsv")
    message:
        "Take shard {wildcards.shard} from the imported rows"
