# Model-based filter of seeds by their docstrings; included if seeds.judge.enabled is set.


rule judge_functions:
    input:
        rows=result("seeds/checked/{unit}.jsonl"),
        prompt=bundled(config["seeds"]["judge"]["prompt"]),
        model=server_input("base"),
        revisions=model_revision(),
    output:
        rows=result("seeds/judged/{unit}.jsonl"),
        dropped=result("seeds/dropped/judged/{unit}.jsonl"),
        counts=result("seeds/counts/judged/{unit}.json"),
    log:
        result("logs/judge_functions/{unit}.log"),
    benchmark:
        result("benchmarks/judge_functions/{unit}.tsv")
    conda:
        environment(serving("runtime"))
    container:
        image(serving("runtime"))
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=720,
        gpu=server_gpus(),
    params:
        code=fingerprint("judge_functions"),
        prompt=contents(config["seeds"]["judge"]["prompt"]),
        settings=settings("run", "paths.results", "model", "seeds.judge"),
    message:
        "Judge the docstrings of {wildcards.unit} with the model"
    script:
        "../scripts/judge_functions.py"
