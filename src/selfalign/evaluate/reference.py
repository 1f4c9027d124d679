"""Reference solutions as whole answers."""

from __future__ import annotations

from selfalign.benchmarks import Benchmark, Task


def reference_solution(benchmark: Benchmark, task: Task) -> str:
    """Return the published solution of a task, as the benchmark's tests take it."""
    joint = "\n" if benchmark.definition.format == "evoeval" else ""
    return f"{task.beginning}{joint}{task.canonical_solution}"
