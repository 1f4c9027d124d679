# The self-alignment pipeline, from seeds to scores. `snakemake -n` shows which jobs would run, and why.

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from selfalign.core.build_state import InterruptedOutputs, hold_lock
from selfalign.core.config import load_config
from selfalign.core.config.files import overrides_of, read_yaml, with_types
from selfalign.core.config.paths import check_files
from selfalign.core.config.rounds import round_number
from selfalign.core.errors import ConfigError, SelfalignError
from selfalign.core.process import ignore_modules_of_working_directory
from selfalign_snakemake import internals

min_version("9.27")
ignore_modules_of_working_directory()


WORKFLOW = internals.snakefile_directory(workflow)
if not WORKFLOW.is_dir():
    raise WorkflowError(
        f"the Snakefile was loaded from {WORKFLOW}, but its scripts and library must be in a local directory; clone the "
        "repository, install it (make setup) and give the path of the Snakefile in the clone"
    )


configfile: "config.yaml" if Path("config.yaml").exists() else str(WORKFLOW / "config.yaml")


# In a later round, this Snakefile is a module of itself (rules/rounds.smk).
ROUND = round_number(config)

try:
    if workflow.is_main_process and ROUND == 1:
        for file in workflow.configfiles:
            read_yaml(file)  # rejects duplicate keys, of which Snakemake silently keeps the last
    overrides = workflow.config_settings.config
    outer = internals.outer_configuration(workflow)
    if outer is not None:
        overrides = overrides_of(config, outer, overrides)
    configured = load_config(with_types(config, overrides))
    config = configured.model_dump()
    if workflow.is_main_process and ROUND == 1:
        check_files(configured, WORKFLOW)
except ConfigError as error:
    raise WorkflowError(str(error)) from None


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/environments.smk"
include: "rules/hub.smk"
include: "rules/model.smk"
include: "rules/seeds.smk"


if configured.start.stage is not None:

    include: "rules/start.smk"


include: "rules/generate.smk"
include: "rules/execute.smk"
include: "rules/curate.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"


if PREFERENCES:

    include: "rules/preferences.smk"


include: "rules/download.smk"
include: "rules/report.smk"
include: "rules/provenance.smk"


if ROUND == 1:

    include: "rules/reproduce.smk"


if configured.rounds > 1:

    include: "rules/rounds.smk"


if CACHING:
    internals.remove_benchmarks_of_cached_rules(workflow)

FINGERPRINTS.save()

INTERRUPTED = InterruptedOutputs(".snakemake/selfalign/planned.json")
if workflow.is_main_process and ROUND == 1:
    internals.mark_incomplete(INTERRUPTED.outdated())


# Replaces Snakemake's lock (profiles/default: nolock), which a killed run does not release; this one ends with the process.
onstart:
    try:
        check_push(workflow.dag_settings.targets)
        check_verdicts()
        hold_lock(".snakemake/selfalign/lock")
        internals.remove_default_rate_limit(workflow)
        INTERRUPTED.plan(
            [
                *internals.planned_outputs(workflow),
                *outputs_of_later_rounds(),
                *outputs_of_unknown_checkpoints(),
            ]
        )
    except SelfalignError as error:
        raise WorkflowError(str(error)) from None


rule all:
    default_target: True
    input:
        result("report/index.html"),
        result("report/funnel.json"),
        result("dataset/train.jsonl"),
        result("dataset/README.md"),
        result("scores/summary.json"),
        result("model/README.md"),
        PREFERENCE_CARDS,
        result("report/provenance.json"),
        later_round_cards,
    localrule: True
    message:
        "The build is complete: {input[0]}"


# Only if requested: all files that the tests on published data need (`make published`).
rule published_data:
    input:
        [f"{DOWNLOADS}/{path}" for path in SETS.downloads()],
        [path for name, version in PUBLISHED_BENCHMARKS for path in SETS.data(name, version)],
    localrule: True
    message:
        "Published samples and the data of their benchmarks are available"


onsuccess:
    INTERRUPTED.finish()
    Path(UNFINISHED).unlink(missing_ok=True)


onerror:
    report_unfinished()


if internals.is_module(workflow) and ROUND == 1:
    internals.add_handlers_to_outer_workflow(workflow, onstart=onstart, onsuccess=onsuccess, onerror=onerror)
