# What rules/curate.smk is made from: its parameters and input functions.

RESPONSES = config["curation"]["responses"]
NONTRIVIAL_TESTS = config["curation"]["quality"]["nontrivial_tests"]
SELECTED_FROM = "nontrivial_tests" if NONTRIVIAL_TESTS else "sanitize_raw"

# The counts of the stage, in the order of its steps.
CURATION_STEPS = [
    "sanitize_raw",
    *(["nontrivial_tests"] if NONTRIVIAL_TESTS else []),
    "select",
    "sanitize_smart",
    "decontaminate",
]
CURATION_COUNTS = [result(f"dataset/counts/{step}.json") for step in CURATION_STEPS]

# The test split: JSON Lines and Parquet, where there is one.
TEST_FILES = (
    [result("dataset/test.jsonl"), result("dataset/test.parquet")]
    if config["curation"]["export"]["test_share"]
    else []
)


def check_push(targets):
    """Refuse to build for an upload if it is not said where to."""
    # A module's rules may have a prefix.
    if any(target.endswith("push_dataset") for target in targets) and not config["curation"]["export"]["hub"]:
        raise ConfigError(
            "configuration: 'curation.export.hub' is null; allowed: the data set on the hub (owner/name) to push to"
        )


def length_checkpoint():
    """Return the base model, whose tokenizer counts, where lengths are limited."""
    return [result("model/base")] if configured.curation.length.limited else []
