"""Verdicts to a score: one JSON object that says of what, by what and how sure."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

from selfalign import __version__
from selfalign.benchmarks import Benchmark, definition_sha256
from selfalign.core.jsonl import Record
from selfalign.evaluate.samples import SyntaxCheck
from selfalign.evaluate.statistics import interval, mean_pass_at_k
from selfalign.evaluate.verdicts import PASS


def build_score(
    benchmark: Benchmark,
    verdicts: Sequence[Record],
    pass_at: Sequence[int],
    syntax: SyntaxCheck | None = None,
) -> dict[str, Any]:
    """Return the score of one set of samples.

    ``metrics`` maps ``pass@k``, for k = 1 and those of `pass_at` that the samples allow, to its ``value`` and
    ``interval`` (95 %), between 0 and 1; with one sample a task also to the number of ``correct`` tasks. A benchmark
    with added tests has ``base pass@k``, by its original tests, and ``plus pass@k``, by all.
    """
    samples = len(verdicts) // len(benchmark.tasks)
    metrics: dict[str, dict[str, Any]] = {}
    for prefix, parts in metric_parts(benchmark.definition.has_plus).items():
        counts = _counts(verdicts, parts)
        for k in sorted({1, *pass_at}):
            if k > samples:
                continue
            metric = {"value": mean_pass_at_k(counts, k), "interval": list(interval(counts, k))}
            if samples == 1:
                metric["correct"] = sum(correct for _, correct in counts)
            metrics[f"{prefix}pass@{k}"] = metric
    return {
        **provenance(benchmark),
        "n": len(benchmark.tasks),
        "samples_per_task": samples,
        "metrics": metrics,
        **(
            {"syntax_errors": syntax.syntax_errors, "code_fences": syntax.code_fences}
            if syntax is not None
            else {}
        ),
    }


def metric_parts(has_plus: bool) -> dict[str, tuple[str, ...]]:
    """Return, by the prefix of a metric's name, the parts of a verdict that must pass for it."""
    return {"base ": ("base",), "plus ": ("base", "plus")} if has_plus else {"": ("base",)}


def provenance(benchmark: Benchmark) -> dict[str, Any]:
    """Return what a figure cannot be read without: data, their hash, and the version of what scored them."""
    return {
        "benchmark": benchmark.name,
        "title": benchmark.definition.title,
        "dataset": {
            "version": benchmark.version,
            "sha256": benchmark.sha256,
            "source": benchmark.definition.source,
            **({"window": list(benchmark.window)} if benchmark.window else {}),
        },
        "harness": {
            "selfalign": __version__,
            "evalplus": version("evalplus"),
            "python": platform.python_version(),
            "definition": definition_sha256(benchmark.name)[:12],
        },
    }


def _counts(verdicts: Iterable[Record], parts: Sequence[str]) -> list[tuple[int, int]]:
    """Return ``(samples, correct)`` of each task, where correct means all `parts` pass."""
    tally: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for verdict in verdicts:
        entry = tally[verdict["task_id"]]
        entry[0] += 1
        entry[1] += all(verdict[part]["status"] == PASS for part in parts)
    return [(samples, correct) for samples, correct in tally.values()]
