# What rules/report.smk is made from: its parameters and input functions.

import sys
from pathlib import Path


def funnel_counts(wildcards):
    """Return the counts files of all steps, in the order of the build."""
    return [*SEED_COUNTS, *GENERATION_COUNTS, *EXECUTION_COUNTS, *CURATION_COUNTS]


UNFINISHED = result("report/unfinished.html")


def report_unfinished():
    """Write a page about what there is of a build that failed: the funnel, if it came so far."""
    from selfalign.report.page import write_page

    if Path(result("report/funnel.json")).exists():
        write_page(
            UNFINISHED,
            run=f"{config['run']} (unfinished)",
            funnel=result("report/funnel.json"),
            configuration=config,
        )
        print(f"The build did not finish. What became of its rows: {UNFINISHED}", file=sys.stderr)
