# Parameters and input functions of rules/curate.smk.

RESPONSES = config["curation"]["responses"]
NONTRIVIAL_TESTS = config["curation"]["quality"]["nontrivial_tests"]
SELECTED_FROM = "nontrivial_tests" if NONTRIVIAL_TESTS else "sanitize_raw"
SELF_TESTS = config["curation"]["self_tests"]["share"] > 0

# The counts files of the stage, in the order of its steps.
CURATION_STEPS = [
    "sanitize_raw",
    *(["nontrivial_tests"] if NONTRIVIAL_TESTS else []),
    "select",
    "sanitize_smart",
    "decontaminate",
    *(["hold_out"] if SELF_TESTS else []),
]
CURATION_COUNTS = [result(f"dataset/counts/{step}.json") for step in CURATION_STEPS]
SELF_TESTS_COUNTS = [result("self_tests/counts/tasks.json")] if SELF_TESTS else []

# The test split in JSON Lines and Parquet, if there is one.
TEST_FILES = (
    [result("dataset/test.jsonl"), result("dataset/test.parquet")]
    if config["curation"]["export"]["test_share"]
    else []
)


def check_push(targets):
    """Raise an error if an upload is requested but no repository is configured."""
    # In a module, names of rules may have a prefix.
    if any(target.endswith("push_dataset") for target in targets) and not config["curation"]["export"]["hub"]:
        raise ConfigError(
            "configuration: 'curation.export.hub' is null; allowed: the data set on the hub (owner/name) to push to"
        )


def length_checkpoint():
    """Return the base model, whose tokenizer is used, if the length of examples is limited."""
    return result("model/base") if configured.curation.length.limited else []


# Tokens are counted in the prompt layout of the training.
LENGTH_LAYOUT = ["training.layout"] if length_checkpoint() else []
