# Fine-tuning.

# Directory of the checkpoints before the last one; empty if they are not kept. Its name states which ones it has, so that
# others are another output.
KEPT_CHECKPOINTS = {
    "last": [],
    "each_epoch": result("model/checkpoints/each_epoch"),
    "all": result(f"model/checkpoints/all-{config['training']['save_steps']}"),
}[config["evaluation"]["checkpoints"]]


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
        intermediate=directory(KEPT_CHECKPOINTS),
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
