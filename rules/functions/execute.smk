# What rules/execute.smk is made from: its counts, and the place of its verdicts.

EXECUTION_COUNTS = shards("execution", "counts", ".json")


def check_verdicts():
    """Refuse to begin if verdicts cannot be kept where paths.verdicts says."""
    from selfalign.sandbox.cache import check_place

    if config["paths"]["verdicts"]:
        check_place(Path(config["paths"]["verdicts"]))
