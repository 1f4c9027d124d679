# Parameters and input functions of rules/report.smk.

import sys
from pathlib import Path


def funnel_counts(wildcards):
    """Return the counts files of all steps, in the order of the pipeline."""
    return [
        *(SEED_COUNTS if is_built("seeds") else IMPORT_COUNTS),
        *GENERATION_COUNTS,
        *EXECUTION_COUNTS,
        *MATRIX_COUNTS,
        *CURATION_COUNTS,
        *SELF_TESTS_COUNTS,
        *PREFERENCE_COUNTS,
    ]


UNFINISHED = result("report/unfinished.html")


def report_unfinished():
    """Write a report of an unsuccessful run from its existing outputs, if it got as far as the funnel."""
    from selfalign.report.files import files_of_run
    from selfalign.report.page import write_page

    if Path(result("report/funnel.json")).exists():
        write_page(
            UNFINISHED,
            run=f"{config['run']} (unfinished)",
            files=files_of_run(Path(RUN)),
            configuration=config,
        )
        print(f"The build did not finish. Report on the rows so far: {UNFINISHED}", file=sys.stderr)


# Client metrics of the generation stages, by shard.
GENERATION_METRICS = [path for stage in GENERATION for path in shards(stage, "metrics", ".json")]

# Records with the concepts that the run uses, if any.
CONCEPTS = (
    all_rows_of("concepts", "concepts/shards/{shard}.jsonl")
    if "concepts" in GENERATION or START.stage == "concepts"
    else []
)


def dropped_rows():
    """Return the files of dropped rows of all steps that drop any, which are next to the counts files."""
    counts = [path for path in funnel_counts(None) if path not in IMPORT_COUNTS]
    relative = (path.removeprefix(f"{RUN}/").split("/", 2) for path in counts)
    return [
        result(f"{stage}/dropped/{name.removesuffix('.json')}.jsonl") for stage, _counts, name in relative
    ]


COMPARISON = f"{config['paths']['results']}/compare/index.html"


def compared(path):
    """Return the paths of an artifact of all compared runs."""
    return [f"{config['paths']['results']}/{run}/{path}" for run in config["report"]["compare"]]
