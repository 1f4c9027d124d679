# Drops imported final rows by their length; included if the run starts with a data set (start.stage).


use rule sanitize_smart as length with:
    input:
        rows=all_rows_of("dataset", ""),
        checkpoint=length_checkpoint(),
        prompt_template=bundled(config["generation"]["prompt_template"]),
    output:
        rows=result("dataset/length.jsonl"),
        dropped=result("dataset/dropped/length.jsonl"),
        counts=result("dataset/counts/length.json"),
    log:
        result("logs/length.log"),
    benchmark:
        result("benchmarks/length.tsv")
    params:
        code=fingerprint("sanitize"),
        prompt_template=contents(config["generation"]["prompt_template"]),
        sanitizing=None,
        responses="passing",
        fits_training=FITS_TRAINING,
        settings=settings("curation.seed", "curation.length", "generation.prompt_template", *LENGTH_SETTINGS),
    message:
        "Drop rows that are too short or too long"
