# Fine-tuning.


rule train:
    input:
        dataset=result("dataset/train.jsonl"),
        base=shared("model/base"),
    output:
        checkpoint=directory(result("model/tuned")),
        metrics=report(
            result("model/tuned.metrics.jsonl"),
            caption="../report/training.rst",
            category="Training",
            labels={"file": "metrics"},
        ),
    log:
        result("logs/train.log"),
    benchmark:
        result("benchmarks/train.tsv")
    conda:
        environment("training")
    container:
        image("training")
    threads: 64
    resources:
        mem_mb=growing(16000),
        runtime=720,
        gpu=config["training"]["gpus"],
    params:
        code=fingerprint("train"),
        settings=settings("training"),
        work=result("model/training"),
        title=model_title(),
    message:
        "Fine-tune the base model on the dataset"
    script:
        "../scripts/train.py"
