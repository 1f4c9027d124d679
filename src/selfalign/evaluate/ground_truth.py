"""What reference solutions give for every input of a benchmark: computed once per version of its data.

The artifact is two files. The outputs are JSON Lines: a head that says of what and by what, then a task a line
with, for each part, its inputs and outputs, packed; the same bytes every time. They are packed and unpacked
inside the sandbox only. The time limits of every input, beside them, are JSON: what they are made from was measured,
so they may be others elsewhere.
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
from selfalign.evaluate.harness import MOST, common, harness_source, oracle
from selfalign.sandbox import Limits, Pool, Program, Verdict

logger = logging.getLogger(__name__)

LIMITS = Limits(wall_s=1800, cpu_s=300, memory_mb=MOST.memory_mb, output_kb=1 << 17)
# Time limits above the least one are rounded up to this, so that they do not change from run to run.
STEP_S = 0.5


def compute_ground_truth(
    benchmark: Benchmark, pool: Pool, out: str | Path, settings: EvaluationConfig
) -> None:
    """Run every reference solution in the sandbox and write the artifact: `out`, and :func:`limits_path` of it.

    Raises:
        DataError: a reference solution fails.
        InfrastructureError: the sandbox does.
    """
    limits: dict[str, dict[str, list[float]]] = {}

    def rows() -> Iterator[dict[str, Any]]:
        yield head(benchmark)
        programs = (_program(benchmark, task) for task in benchmark.tasks)
        for task, verdict in zip(benchmark.tasks, pool.run(programs), strict=True):
            parts = _parts(benchmark, task, verdict)
            limits[task.id] = {
                part: [time_limit(seconds, settings) for seconds in found["seconds"]]
                for part, found in parts.items()
            }
            yield {"task_id": task.id, **{part: found["cases"] for part, found in parts.items()}}

    write_jsonl(out, rows())
    write_json(limits_path(out), {**head(benchmark), **_settings(settings), "limits": limits})


def update_ground_truth(
    benchmark: Benchmark, pool: Pool, out: str | Path, settings: EvaluationConfig
) -> None:
    """Compute the artifact, see :func:`compute_ground_truth`, unless it is there and current."""
    if not is_current(out, benchmark, settings):
        compute_ground_truth(benchmark, pool, out, settings)


def limits_path(out: str | Path) -> Path:
    """Return where the time limits lie that belong to the outputs in `out`."""
    out = Path(out)
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".limits.json")


def default_truth_path(benchmark: Benchmark) -> Path:
    """Return where commands keep a benchmark's ground truth: in the user's cache directory."""
    cache = platformdirs.user_cache_path("selfalign")
    return cache / "ground_truth" / f"{benchmark.name}-{benchmark.version}-{benchmark.sha256[:12]}.jsonl"


def _parts(benchmark: Benchmark, task: Task, verdict: Verdict) -> dict[str, Any]:
    """Return what the oracle wrote: by part, packed cases and seconds."""
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


def head(benchmark: Benchmark) -> dict[str, Any]:
    """Return what the outputs depend on."""
    return {
        "benchmark": benchmark.name,
        "version": benchmark.version,
        "sha256": benchmark.sha256,
        "evalplus": version("evalplus"),
    }


def _settings(settings: EvaluationConfig) -> dict[str, float]:
    """Return what the time limits depend on besides."""
    return {
        "min_time_limit_s": settings.min_time_limit_s,
        "time_limit_factor": settings.time_limit_factor,
    }


def time_limit(seconds: float, settings: EvaluationConfig) -> float:
    """Return the limit for an input that takes the reference solution `seconds`, both of CPU time."""
    wanted = settings.time_limit_factor * seconds
    if wanted <= settings.min_time_limit_s:
        return settings.min_time_limit_s
    return math.ceil(wanted / STEP_S) * STEP_S


def read_ground_truth(path: str | Path, benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Return, by task and part, an object with packed ``cases`` and the ``limits`` of the inputs in seconds.

    Raises:
        DataError: a file is missing, or that of other data.
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
    truth = {
        row["task_id"]: {
            part: {"cases": row[part], "limits": found}
            for part, found in limits["limits"][row["task_id"]].items()
        }
        for row in rows
    }
    missing = [task.id for task in benchmark.tasks if task.id not in truth]
    if missing:
        raise DataError(f"expected {len(benchmark.tasks)} tasks; {missing[0]} is missing", file=path)
    return truth


def is_current(path: str | Path, benchmark: Benchmark, settings: EvaluationConfig) -> bool:
    """Whether an artifact is there and is what :func:`compute_ground_truth` would make."""
    try:
        first, limits = next(read_jsonl(path), None), read_json(limits_path(path))
    except DataError:
        return False
    limits.pop("limits", None)
    return first == head(benchmark) and limits == {**head(benchmark), **_settings(settings)}


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
        "inputs": {part: common.pack(given) for part, given in inputs.items()},
        "expressions": scoring == "evoeval" and "base_input" not in record,
        "output_not_none": task.entry_point in not_none,
    }
    return Program(task.id, harness_source(oracle), stdin=json.dumps(job), limits=LIMITS)
