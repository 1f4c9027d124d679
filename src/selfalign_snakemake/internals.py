"""All uses of Snakemake's internals, which may change with any release.

``tests/snakemake/test_internals.py`` tests each of them with the pinned version.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

# Directory of Snakemake's records of outputs: one JSON file per output, named by the URL-safe base64 of its path.
METADATA = Path(".snakemake/metadata")

# Snakemake's default of --max-jobs-per-timespan: jobs, seconds.
DEFAULT_RATE_LIMIT = (100, 1)


def snakefile_directory(workflow: Any) -> Path:
    """Return the directory of the Snakefile that is being read; a URL if Snakemake downloaded the file.

    ``workflow.basedir`` is the directory of the outermost Snakefile instead.

    Args:
        workflow: Snakemake's global ``workflow``.
    """
    return Path(workflow.current_basedir.get_path_or_uri(secret_free=True))


def is_module(workflow: Any) -> bool:
    """Return whether the Snakefile that is being read is used as a module of another one.

    Args:
        workflow: Snakemake's global ``workflow``.
    """
    return not workflow.modifier.is_main_snakefile()


def use_rules(
    workflow: Any, rules: Iterable[str], *, snakefile: str, config: dict[str, Any], prefix: str
) -> None:
    """Use rules of a Snakefile as a module, as ``use rule … from … as <prefix>*`` does.

    The statement itself takes neither the prefix nor the rules from variables. Resources and threads that a profile sets for a
    rule apply to the rule with the prefix as well, unless they are set for its name. Groups do not: they are not known yet.

    Args:
        workflow: Snakemake's global ``workflow``.
        rules: names of the rules in the module; those that it does not define are ignored.
        snakefile: path of the Snakefile.
        config: configuration of the module.
        prefix: prefix of the names of the rules; without its trailing underscores, the name of the module.
    """
    rules = list(rules)
    resources = workflow.resource_settings
    for settings in (resources._parsed_overwrite_resources, resources._parsed_overwrite_threads):
        for rule in rules:
            if rule in settings:
                settings.setdefault(f"{prefix}{rule}", settings[rule])
    name = prefix.rstrip("_")
    workflow.module(name, snakefile=snakefile, config=config)
    workflow.userule(rules=rules, from_module=name, name_modifier=f"{prefix}*")(lambda: None)


def outer_configuration(workflow: Any) -> dict[str, Any] | None:
    """Return the configuration of the outermost Snakefile, if it passes a part of it to this module; else None.

    Args:
        workflow: Snakemake's global ``workflow``.
    """
    if not workflow.modifier.skip_configfile:
        return None
    return workflow.modifier_stack[0].globals["config"]


def planned_outputs(workflow: Any) -> list[str]:
    """Return the output files of the jobs that are about to run, without temporary and remote ones.

    Args:
        workflow: Snakemake's global ``workflow``, in ``onstart``.
    """
    return [
        str(file)
        for job in workflow.dag.needrun_jobs()
        for file in job.output
        if file not in job.temp_output and not file.is_storage
    ]


def planned_wildcards(workflow: Any, rule: str) -> list[dict[str, str]]:
    """Return the wildcards of the jobs of a rule that are about to run.

    Args:
        workflow: Snakemake's global ``workflow``, in ``onstart``.
        rule: name of the rule; in a module, names may have a prefix.
    """
    jobs = workflow.dag.needrun_jobs()
    return [dict(job.wildcards.items()) for job in jobs if job.rule.name.endswith(rule)]


def mark_incomplete(paths: Iterable[str]) -> None:
    """Mark files as outputs of interrupted jobs, so that ``--rerun-incomplete`` makes them again.

    Args:
        paths: the files.
    """
    from snakemake.persistence.file import FilePersistence

    paths = list(paths)
    if paths:
        records = FilePersistence(nolock=True)
        for path in paths:
            records._mark_incomplete(path, None)


def remove_default_rate_limit(workflow: Any) -> None:
    """Let jobs start at any rate, unless the user set another limit than Snakemake's default of 100 per second.

    Where there is a limit, the scheduler looks again for jobs to start a second after it has looked, as long as a job waits
    for cores or resources. Each job that ends begins another such series, so that during a build the scheduler takes more
    and more of a core.

    Args:
        workflow: Snakemake's global ``workflow``, in ``onstart``.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == DEFAULT_RATE_LIMIT:
        workflow.scheduler.job_rate_limiter = None


def remove_benchmarks_of_cached_rules(workflow: Any) -> None:
    """Remove the ``benchmark`` of rules with between-workflow caching, which does not support it.

    Args:
        workflow: Snakemake's global ``workflow``.
    """
    for rule in workflow.rules:
        if rule.cache and rule.cache.output:
            rule._benchmark = None


def add_handlers_to_outer_workflow(workflow: Any, **handlers: Callable[[], None]) -> None:
    """Add the handlers of a workflow that is used as a module to those of the outermost Snakefile.

    Snakemake runs the handlers of the outermost Snakefile only. A handler that is defined there after the module replaces
    the added ones.

    Args:
        workflow: Snakemake's global ``workflow``.
        handlers: the handlers by name: ``onstart``, ``onsuccess``, ``onerror``.
    """
    for name, handler in handlers.items():
        outer = getattr(workflow, f"_{name}")
        if not hasattr(outer, "of_module"):  # each `use rule` reads the module again

            def both(
                log: str, outer: Callable[[str], None] = outer, handler: Callable[[], None] = handler
            ) -> None:
                outer(log)
                handler()

            both.of_module = True  # pyright: ignore[reportFunctionMemberAccess] - marks the function
            setattr(workflow, f"_{name}", both)


def as_input_called(file: Any, path: str) -> Any:
    """Return an input file that Snakemake records as `path` when it compares the inputs of two runs.

    Args:
        file: the input, as ``local`` or ``ancient`` return it.
        path: the recorded name, independent of the location of the workflow.
    """
    from snakemake.io import sourcecache_entry

    return sourcecache_entry(file, path)


def output_records(directory: Path = METADATA) -> dict[str, dict[str, Any]]:
    """Return the rule, start and end of the job that made each file, by path; times are ISO 8601, UTC.

    Records in a database are not found.

    Args:
        directory: directory of the records.
    """
    found = {}
    for path in directory.rglob("*"):
        if not path.is_file():
            continue
        try:
            # Long names are split into directories whose names begin with @.
            name = "".join(part.removeprefix("@") for part in path.relative_to(directory).parts)
            output = base64.urlsafe_b64decode(name).decode()
            record = json.loads(path.read_text(encoding="utf-8"))
        except (binascii.Error, UnicodeDecodeError, json.JSONDecodeError):
            continue
        found[output] = {
            "rule": record.get("rule"),
            "started": _time(record.get("starttime")),
            "ended": _time(record.get("endtime")),
        }
    return found


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")
