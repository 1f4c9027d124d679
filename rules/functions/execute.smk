# Counts and verdicts of rules/execute.smk, and the check of its verdict cache.

EXECUTION_COUNTS = shards("execution", "counts", ".json") if is_built("filtered") else []
EXECUTION_VERDICTS = shards("execution", "verdicts") if is_built("filtered") else []
MATRIX = config["execution"]["matrix"]["enabled"]
MATRIX_COUNTS = shards("matrix", "counts", ".json") if MATRIX else []


def check_verdicts():
    """Raise an error if the file system of paths.verdicts does not support the verdict cache."""
    from selfalign.sandbox.cache import check_place

    if config["paths"]["verdicts"]:
        check_place(Path(config["paths"]["verdicts"]))
