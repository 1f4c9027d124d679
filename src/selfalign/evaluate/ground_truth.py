"""Ground truth: the outputs of reference solutions for every input of a benchmark, computed once per data version.

It consists of two files. The outputs are JSON Lines: a header that identifies the data and the version of EvalPlus,
then one line per task with the packed inputs and outputs of each part, see
:mod:`~selfalign.evaluate.harness.values`. This file is deterministic. The second file is JSON with the time limit of each
input. The limits derive from measured times, so they may differ between machines.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import read_json, read_jsonl, write_json, write_jsonl
from selfalign.evaluate.harness import MAX_LIMITS, harness_source, judge_evalplus, values
from selfalign.sandbox import Limits, Pool, Program, Verdict

logger = logging.getLogger(__name__)

LIMITS = Limits(wall_s=1800, cpu_s=300, memory_mb=MAX_LIMITS.memory_mb, output_kb=1 << 17)
# Time limits above the minimum are rounded up to a multiple of this, so that they vary less from run to run.
ROUNDING_S = 0.5
# Version of the file's format.
FORMAT = 2
PACKED = ("inputs", "outputs")


def compute_ground_truth(
    benchmark: Benchmark, judges: Pool, out: str | Path, settings: EvaluationConfig
) -> None:
    """Run every reference solution in the sandbox; write the outputs and, beside them, the time limits.

    Args:
        benchmark: a loaded benchmark that compares outputs.
        judges: sandbox in which no answer runs.
        out: file of outputs; the limits go to :func:`limits_path`.
        settings: minimum and factor of the time limits.

    Raises:
        DataError: a reference solution fails.
        InfrastructureError: the sandbox fails.
    """
    limits: dict[str, dict[str, list[float]]] = {}

    def rows() -> Iterator[dict[str, Any]]:
        yield header(benchmark)
        programs = (_program(benchmark, task) for task in benchmark.tasks)
        for task, verdict in zip(benchmark.tasks, judges.run(programs), strict=True):
            parts = _parts(benchmark, task, verdict)
            limits[task.id] = {
                part: [time_limit(seconds, settings) for seconds in found["seconds"]]
                for part, found in parts.items()
            }
            packed = {part: {name: found[name] for name in PACKED} for part, found in parts.items()}
            yield {"task_id": task.id, **packed}

    write_jsonl(out, rows())
    write_json(limits_path(out), {**header(benchmark), **_settings(settings), "limits": limits})


def update_ground_truth(
    benchmark: Benchmark, judges: Pool, out: str | Path, settings: EvaluationConfig
) -> None:
    """Compute the ground truth, see :func:`compute_ground_truth`, if it is missing or outdated.

    Args:
        benchmark: a loaded benchmark that compares outputs.
        judges: sandbox in which no answer runs.
        out: file of outputs.
        settings: minimum and factor of the time limits.
    """
    if not is_current(out, benchmark, settings):
        compute_ground_truth(benchmark, judges, out, settings)


def limits_path(out: str | Path) -> Path:
    """Return the path of the time limits that belong to a file of outputs.

    Args:
        out: file of outputs.
    """
    out = Path(out)
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".limits.json")


def default_truth_path(benchmark: Benchmark) -> Path:
    """Return the path of a benchmark's ground truth in the user's cache directory, the default of commands.

    Args:
        benchmark: a loaded benchmark.
    """
    cache = platformdirs.user_cache_path("selfalign")
    return cache / "ground_truth" / f"{benchmark.name}-{benchmark.version}-{benchmark.sha256[:12]}.jsonl"


def _parts(benchmark: Benchmark, task: Task, verdict: Verdict) -> dict[str, Any]:
    """Return packed cases and CPU times by part, as the harness printed them."""
    if verdict.status == "infrastructure":
        raise InfrastructureError(
            f"{task.id}: the sandbox could not run the reference solution: {verdict.stderr}"
        )
    if verdict.status != "passed":
        raise DataError(
            f"{benchmark.definition.title} {benchmark.version}, task {task.id}: "
            f"the reference solution ended with '{verdict.status}' ({verdict.error})"
        )
    return json.loads(verdict.stdout)


def header(benchmark: Benchmark) -> dict[str, Any]:
    """Return what the outputs depend on: the data and the version of EvalPlus.

    Args:
        benchmark: a loaded benchmark.
    """
    return {
        "format": FORMAT,
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "sha256": benchmark.sha256,
        "evalplus": version("evalplus"),
    }


def _settings(settings: EvaluationConfig) -> dict[str, float]:
    """Return the settings that the time limits depend on."""
    return {
        "min_time_limit_s": settings.min_time_limit_s,
        "time_limit_factor": settings.time_limit_factor,
    }


def time_limit(seconds: float, settings: EvaluationConfig) -> float:
    """Return the time limit of an input, in seconds of CPU time.

    Args:
        seconds: CPU time of the reference solution on this input.
        settings: minimum and factor of the time limits.
    """
    wanted = settings.time_limit_factor * seconds
    if wanted <= settings.min_time_limit_s:
        return settings.min_time_limit_s
    return math.ceil(wanted / ROUNDING_S) * ROUNDING_S


def read_ground_truth(path: str | Path, benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Return, by task and part, an object with packed ``inputs`` and ``outputs`` and time limits in seconds.

    ``limits`` are those of the inputs, ``above_minimum_s`` is the sum of those above the minimum.

    Args:
        path: file of outputs.
        benchmark: the benchmark that the outputs must belong to.

    Raises:
        DataError: a file is missing or belongs to other data.
    """
    rows = read_jsonl(path)
    first, limits = next(rows, {}), read_json(limits_path(path))
    for file, found in ((path, first), (limits_path(path), limits)):
        if found.get("sha256") != benchmark.sha256:
            raise DataError(
                f"expected the ground truth of {benchmark.definition.title} {benchmark.version} (data "
                f"{benchmark.sha256[:12]}), found that of {found.get('benchmark')} {found.get('version')}",
                file=file,
            )
        if found.get("format") != FORMAT:
            raise DataError(
                "written by another version of selfalign; remove it to compute it again", file=file
            )
    minimum = limits["min_time_limit_s"]
    truth = {
        row["task_id"]: {
            part: {
                **row[part],
                "limits": found,
                "above_minimum_s": sum(limit for limit in found if limit > minimum),
            }
            for part, found in limits["limits"][row["task_id"]].items()
        }
        for row in rows
    }
    missing = [task.id for task in benchmark.tasks if task.id not in truth]
    if missing:
        raise DataError(f"expected {len(benchmark.tasks)} tasks; {missing[0]} is missing", file=path)
    return truth


def is_current(path: str | Path, benchmark: Benchmark, settings: EvaluationConfig) -> bool:
    """Return whether the ground truth exists and was computed from the same data and settings.

    Args:
        path: file of outputs.
        benchmark: a loaded benchmark.
        settings: minimum and factor of the time limits.
    """
    try:
        first, limits = next(read_jsonl(path), None), read_json(limits_path(path))
    except DataError:
        return False
    limits.pop("limits", None)
    return first == header(benchmark) and limits == {**header(benchmark), **_settings(settings)}


def accepts_iterables(scoring: str, task: Task) -> bool:
    """Return whether EvalPlus accepts any iterable object as the output of a task, because it compares sets.

    Args:
        scoring: scoring method of the benchmark.
        task: task of the benchmark.
    """
    if scoring != "evalplus_mbpp":
        return False
    from evalplus.eval._special_oracle import MBPP_OUTPUT_SET_EQ_TASKS

    return task.entry_point in MBPP_OUTPUT_SET_EQ_TASKS


def _program(benchmark: Benchmark, task: Task) -> Program:
    scoring, record = benchmark.definition.scoring, task.record
    not_none: list[str] = []
    if scoring == "evoeval":
        given = record["base_input"] if "base_input" in record else record["inputs"]
        inputs = {"base": given}
    else:
        inputs = {"base": record["base_input"], "plus": record["plus_input"]}
    if scoring == "evalplus_mbpp":
        from evalplus.data.mbpp import mbpp_deserialize_inputs
        from evalplus.eval import MBPP_OUTPUT_NOT_NONE_TASKS

        not_none = MBPP_OUTPUT_NOT_NONE_TASKS
        inputs = {part: mbpp_deserialize_inputs(task.id, given) for part, given in inputs.items()}
    job = {
        "code": benchmark.reference_solution(task),
        "entry_point": task.entry_point,
        "inputs": {part: values.pack(values.dumps(given)) for part, given in inputs.items()},
        "iterables": accepts_iterables(scoring, task),
        "expressions": scoring == "evoeval" and "base_input" not in record,
        "output_not_none": task.entry_point in not_none,
    }
    return Program(task.id, harness_source(judge_evalplus), stdin=json.dumps(job), limits=LIMITS)
