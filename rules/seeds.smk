# Seeds: from source files to the pool of seeds and its shards. A unit is a fixed part of the source (a package or a
# data file). Adding units adds jobs; only deduplication and the pool depend on all units.


include: "functions/contamination.smk"
include: "functions/seeds.smk"


rule fetch_package:
    output:
        wheel=f"{DOWNLOADS}/packages/{{package}}.whl",
    log:
        result("logs/fetch_package/{package}.log"),
    benchmark:
        result("benchmarks/fetch_package/{package}.tsv")
    retries: 2
    localrule: True
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=20,
    params:
        code=fingerprint("fetch_package"),
        requirement=package_pin,
    message:
        "Download the wheel of {wildcards.package} and verify its hash"
    script:
        "../scripts/fetch_package.py"


rule collect_functions:
    input:
        wheel=unit_wheel,
        files=unit_inputs,
        revisions=source_revision(),
        benchmarks=[path for each in SEED_BENCHMARKS for path in each.files],
    output:
        rows=result("seeds/functions/{unit}.jsonl"),
        dropped=result("seeds/dropped/functions/{unit}.jsonl"),
        counts=result("seeds/counts/functions/{unit}.json"),
    log:
        result("logs/collect_functions/{unit}.log"),
    benchmark:
        result("benchmarks/collect_functions/{unit}.tsv")
    cache: CACHING and not source_revision()
    conda:
        environment("data")
    container:
        image("data")
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=240,
    params:
        code=fingerprint("collect_functions"),
        settings=unit_settings,
        benchmarks=[each.to_json() for each in SEED_BENCHMARKS],
    message:
        "Extract and filter the functions of {wildcards.unit}"
    script:
        "../scripts/collect_functions.py"


if MANY_NODES:

    include: "seeds_near_duplicates.smk"

else:

    include: "seeds_duplicates.smk"


rule check_functions:
    input:
        rows=result("seeds/unique/{unit}.jsonl"),
        environment=EXECUTION_ENVIRONMENT if INFERRED_PACKAGES else [],
    output:
        rows=result("seeds/checked/{unit}.jsonl"),
        dropped=result("seeds/dropped/checked/{unit}.jsonl"),
        counts=result("seeds/counts/checked/{unit}.json"),
    log:
        result("logs/check_functions/{unit}.log"),
    benchmark:
        result("benchmarks/check_functions/{unit}.tsv")
    cache: CACHING
    conda:
        environment("data")
    container:
        image("data")
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=480,
    params:
        code=fingerprint("check_functions"),
        settings=settings("seeds.filters", "seeds.imports", "seeds.types"),
        programs=config["execution"]["environment"] if INFERRED_PACKAGES else None,
    message:
        "Infer imports and check types of the functions of {wildcards.unit}"
    script:
        "../scripts/check_functions.py"


if JUDGING:

    include: "seeds_judge.smk"


rule seed_pool:
    input:
        rows=expand(result("seeds/{step}/{unit}.jsonl"), step=LAST_STEP, unit=UNITS),
    output:
        pool=result("seeds/pool.jsonl"),
    log:
        result("logs/seed_pool.log"),
    benchmark:
        result("benchmarks/seed_pool.tsv")
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("seed_pool"),
        settings=settings("seeds.seed"),
    message:
        "Shuffle the seeds of all units into the pool"
    script:
        "../scripts/seed_pool.py"


rule seed_shard:
    input:
        pool=result("seeds/pool.jsonl"),
    output:
        rows=result("seeds/shards/{shard}.jsonl"),
    log:
        result("logs/seed_shard/{shard}.log"),
    benchmark:
        result("benchmarks/seed_shard/{shard}.tsv")
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=30,
    params:
        code=fingerprint("seed_shard"),
        bounds=shard_bounds,
    message:
        "Take shard {wildcards.shard} from the pool"
    script:
        "../scripts/seed_shard.py"


rule seed_statistics:
    input:
        pool=result("seeds/pool.jsonl"),
        kept=expand(result("seeds/functions/{unit}.jsonl"), unit=UNITS),
        dropped=expand(result("seeds/dropped/functions/{unit}.jsonl"), unit=UNITS),
        counts=SEED_COUNTS,
    output:
        statistics=report(
            result("seeds/statistics.json"),
            caption="../report/seeds.rst",
            category="Seeds",
            labels={"file": "statistics"},
        ),
    log:
        result("logs/seed_statistics.log"),
    benchmark:
        result("benchmarks/seed_statistics.tsv")
    conda:
        environment("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        code=fingerprint("seed_statistics"),
    message:
        "Compute statistics of the seeds"
    script:
        "../scripts/seed_statistics.py"
