# Deduplication on many nodes with the MinHash stages of datatrove: signatures per unit, pairs per band, one job that
# decides which functions to drop, and one job per unit that drops them.


rule minhash_signatures:
    input:
        rows=ranked_functions,
    output:
        temp(
            expand(
                f"{MINHASH}/signatures/bucket_{{band}}/{{{{rank}}}}.minhash.sig",
                band=BANDS,
            )
        ),
    log:
        result("logs/minhash_signatures/{rank}.log"),
    benchmark:
        result("benchmarks/minhash_signatures/{rank}.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=240,
    params:
        code=fingerprint("minhash_signatures"),
        settings=settings("seeds.near_duplicates"),
    message:
        "Compute the MinHash signatures of unit {wildcards.rank}"
    script:
        "../scripts/minhash_signatures.py"


rule minhash_pairs:
    input:
        signatures=expand(
            f"{MINHASH}/signatures/bucket_{{{{band}}}}/{{rank}}.minhash.sig",
            rank=RANKS,
        ),
        rows=expand(result("seeds/functions/{unit}.jsonl"), unit=UNITS),
    output:
        neighbours=temp(f"{MINHASH}/neighbours/00{{band}}_00.dups"),
        pairs=temp(f"{MINHASH}/pairs/{{band}}.jsonl"),
    log:
        result("logs/minhash_pairs/{band}.log"),
    benchmark:
        result("benchmarks/minhash_pairs/{band}.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        code=fingerprint("minhash_pairs"),
        settings=settings("seeds.near_duplicates"),
    message:
        "Find duplicates among the functions that agree in band {wildcards.band}"
    script:
        "../scripts/minhash_pairs.py"


rule minhash_cuts:
    input:
        pairs=expand(f"{MINHASH}/pairs/{{band}}.jsonl", band=BANDS),
    output:
        cuts=expand(result("seeds/minhash/cuts/{unit}.jsonl"), unit=UNITS),
    log:
        result("logs/minhash_cuts.log"),
    benchmark:
        result("benchmarks/minhash_cuts.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=120,
    params:
        code=fingerprint("minhash_cuts"),
    message:
        "Select the duplicates to drop"
    script:
        "../scripts/minhash_cuts.py"


rule cut_near_duplicates:
    input:
        rows=result("seeds/functions/{unit}.jsonl"),
        cuts=result("seeds/minhash/cuts/{unit}.jsonl"),
    output:
        rows=result("seeds/unique/{unit}.jsonl"),
        dropped=result("seeds/dropped/unique/{unit}.jsonl"),
        counts=result("seeds/counts/unique/{unit}.json"),
    log:
        result("logs/cut_near_duplicates/{unit}.log"),
    benchmark:
        result("benchmarks/cut_near_duplicates/{unit}.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=60,
    params:
        code=fingerprint("cut_near_duplicates"),
    message:
        "Drop duplicates and near-duplicates of {wildcards.unit}"
    script:
        "../scripts/cut_near_duplicates.py"
