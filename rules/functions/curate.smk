# Parameters and input functions of rules/curate.smk.

from selfalign.evaluate.sample_sets import executed_benchmarks

RESPONSES = config["curation"]["responses"]
NONTRIVIAL_TESTS = (
    config["curation"]["quality"]["nontrivial_tests"]
    or config["curation"]["mutation"]["min_kill_rate"] is not None
)
CONSENSUS = config["curation"]["consensus"]
SELF_TESTS = config["curation"]["self_tests"]["share"] > 0
BY_EXECUTION = config["curation"]["decontamination"]["by_execution"]
# Name and version of the scored benchmarks whose tasks are tried on functions of rows.
EXECUTED_BENCHMARKS = executed_benchmarks(configured) if BY_EXECUTION else []

# The steps of the stage in order. The text of imported final rows stays as it is.
CURATION_STEPS = (
    [
        "sanitize_raw",
        *(["nontrivial_tests"] if NONTRIVIAL_TESTS else []),
        *(["consensus"] if CONSENSUS else []),
        "select",
        "sanitize_smart",
        "decontaminate",
        *(["hold_out"] if SELF_TESTS else []),
    ]
    if is_built("dataset")
    else ["length", "select", "decontaminate"]
)
if BY_EXECUTION:
    CURATION_STEPS.append("decontaminate_by_execution")
# Summaries of the solutions in the rows of the data set; none if the rows with solutions are dropped.
SOLUTIONS_IN_ROWS = [
    result(f"dataset/solutions/{each}.json") for each in EXECUTED_BENCHMARKS if BY_EXECUTION == "report"
]
CURATION_COUNTS = [result(f"dataset/counts/{step}.json") for step in CURATION_STEPS]
# The tasks of the first round are those of all rounds.
SELF_TESTS_COUNTS = [result("self_tests/counts/tasks.json")] if SELF_TESTS and ROUND == 1 else []

# The test split in JSON Lines and Parquet, if there is one.
TEST_FILES = (
    [result("dataset/test.jsonl"), result("dataset/test.parquet")]
    if config["curation"]["export"]["test_share"]
    else []
)


def held_out_before():
    """Return the rows that the first round held out, from which later rounds keep their distance."""
    return [] if ROUND == 1 else shared("dataset/dropped/hold_out.jsonl")


def step_before(step):
    """Return the rows of the step before a step of the curation."""
    return result(f"dataset/{CURATION_STEPS[CURATION_STEPS.index(step) - 1]}.jsonl")


def check_push(targets):
    """Raise an error if an upload is requested but no repository is configured."""
    # In a module, names of rules may have a prefix.
    if any(target.endswith("push_dataset") for target in targets) and not config["curation"]["export"]["hub"]:
        raise ConfigError(
            "configuration: 'curation.export.hub' is null; allowed: the data set on the hub (owner/name) to push to"
        )


# With an external server, nothing before the training needs a checkpoint, and there may be none.
FITS_TRAINING = config["curation"]["length"]["fit_training"] and config["server"]["kind"] != "external"


def length_checkpoint():
    """Return the base model, whose tokenizer is used, if examples are dropped by length."""
    return shared("model/base") if configured.curation.length.limited or FITS_TRAINING else []


# Tokens are counted in the prompt layout of the training.
LENGTH_SETTINGS = ["training.layout"] if length_checkpoint() else []
LENGTH_SETTINGS += ["training.max_length"] if FITS_TRAINING else []
