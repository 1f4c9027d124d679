"""The score of a set of verdicts, and the summary of all scores of a run with base and tuned model compared."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selfalign import __version__
from selfalign.benchmarks import Benchmark, definition_sha256
from selfalign.core.config.evaluation import ScoringLimits
from selfalign.core.errors import DataError
from selfalign.core.jsonl import Record, read_json, read_jsonl, write_json
from selfalign.evaluate.samples import SyntaxCheck
from selfalign.evaluate.statistics import interval, mcnemar, mean_pass_at_k

# Status of one part of a verdict.
PASS, FAIL, TIMEOUT = "pass", "fail", "timeout"


def build_score(
    benchmark: Benchmark,
    verdicts: Sequence[Record],
    pass_at: Sequence[int],
    syntax: SyntaxCheck | None = None,
    layout: str | None = None,
    *,
    references: Mapping[str, int] | None = None,
    limits: ScoringLimits | None = None,
) -> dict[str, Any]:
    """Return the score of one set of samples.

    ``metrics`` maps ``pass@k``, for k = 1 and every k of `pass_at` up to the number of samples per task, to its
    ``value`` and ``interval`` (95 %), between 0 and 1; with one sample per task also to the number of ``correct``
    tasks. A benchmark with added tests has ``base pass@k`` (original tests) and ``plus pass@k`` (all tests).

    Args:
        benchmark: a loaded benchmark.
        verdicts: see :func:`~selfalign.evaluate.scoring.write_verdicts`.
        pass_at: values of k of pass@k.
        syntax: number of samples that do not compile; None where solutions are not whole programs.
        layout: prompt layout of the samples; None: not known.
        references: number of reference solutions (``tasks``) and of those that fail (``failed``); None: they were not run.
        limits: limits of the answers; None: the defaults.
    """
    limits = limits or ScoringLimits()
    return {
        **provenance(benchmark),
        **({"layout": layout} if layout else {}),
        "n": len(benchmark.tasks),
        "samples_per_task": len(verdicts) // len(benchmark.tasks),
        "limits": limits.of(benchmark.definition.scoring),
        "metrics": _metrics(verdicts, benchmark.definition.has_plus, pass_at),
        **({"references": dict(references)} if references is not None else {}),
        **(
            {"syntax_errors": syntax.syntax_errors, "code_fences": syntax.code_fences}
            if syntax is not None
            else {}
        ),
    }


def _metrics(verdicts: Sequence[Record], has_plus: bool, pass_at: Iterable[int]) -> dict[str, dict[str, Any]]:
    """Return the metrics of verdicts with the same number of samples for each task; see :func:`build_score`."""
    metrics: dict[str, dict[str, Any]] = {}
    for prefix, parts in metric_parts(has_plus).items():
        counts = _counts(verdicts, parts)
        samples = max((number for number, _ in counts), default=0)
        for k in sorted({1, *pass_at}):
            if k > samples:
                continue
            metric = {"value": mean_pass_at_k(counts, k), "interval": list(interval(counts, k))}
            if samples == 1:
                metric["correct"] = sum(correct for _, correct in counts)
            metrics[f"{prefix}pass@{k}"] = metric
    return metrics


def metric_parts(has_plus: bool) -> dict[str, tuple[str, ...]]:
    """Return the parts of a verdict that must pass for a metric, by the prefix of its name.

    Args:
        has_plus: whether the benchmark has added tests.
    """
    return {"base ": ("base",), "plus ": ("base", "plus")} if has_plus else {"": ("base",)}


def provenance(benchmark: Benchmark) -> dict[str, Any]:
    """Return what identifies a score: data, their hash, and the versions of the code that computed it.

    Args:
        benchmark: a loaded benchmark.
    """
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
    """Return ``(samples, correct)`` of each task; a sample is correct if all `parts` pass."""
    tally: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for verdict in verdicts:
        entry = tally[verdict["task_id"]]
        entry[0] += 1
        entry[1] += all(verdict[part]["status"] == PASS for part in parts)
    return [(samples, correct) for samples, correct in tally.values()]


# Model, prompt layout and benchmark of a score.
ScoreKey = tuple[str, str, str]


def write_summary(
    scores: Mapping[ScoreKey, str | Path], out: str | Path, solutions: Iterable[str | Path] = ()
) -> None:
    """Write all scores of a run, and the comparisons of its models in the layouts in which both were scored.

    Base and tuned model are compared; and, if there is a model trained on preferences, this with each of the two.

    A score on a benchmark whose tasks were tried on the rows of the data set also has ``clean``: ``n``, the number of
    tasks that no row solves, ``solved_by_rows``, that of the others, and the ``metrics`` of the former; none if there are no
    such tasks.

    A comparison has the difference of the two scores and the exact McNemar test of the first sample of each task. Of
    the comparisons of base and tuned model on a benchmark, the one in the layout in which the base model is best is marked as
    ``headline``: in another layout, a model may only have learnt the layout.

    Args:
        scores: directory with ``score.json`` and ``verdicts.jsonl``, by model, layout and benchmark.
        out: JSON file to write.
        solutions: summaries of the solutions in the rows that the tuned model was trained on, see
            :func:`~selfalign.evaluate.solutions.find_solutions_file`.

    Raises:
        DataError: a file is missing, or the two models were scored on different data.
    """
    found = {key: read_json(Path(directory) / "score.json") for key, directory in scores.items()}
    solved_tasks = {
        (each["benchmark"], each["version"]): set(each["solved_tasks"]) for each in map(read_json, solutions)
    }
    rows = []
    for (model, layout, key), score in found.items():
        row = {"model": model, "layout": layout, **score, "benchmark": key}
        tasks = solved_tasks.get((score["benchmark"], score["dataset"]["version"]))
        if tasks is not None:
            row["clean"] = _clean_score(score, Path(scores[model, layout, key]) / "verdicts.jsonl", tasks)
        rows.append(row)
    comparisons = []
    keys = list(dict.fromkeys(key for _, _, key in scores))
    for key in keys:
        layouts = _common_layouts("base", "tuned", key, scores)
        values = {layout: first_value(found["base", layout, key]) for layout in layouts}
        best = max(values, key=values.__getitem__, default=None)  # of equal ones the first
        comparisons += [
            {
                **_compare(("base", layout, key), ("tuned", layout, key), scores, found),
                "headline": layout == best,
            }
            for layout in layouts
        ]
    comparisons += [
        {**_compare((other, layout, key), ("preferred", layout, key), scores, found), "headline": False}
        for other in ("tuned", "base")
        for key in keys
        for layout in _common_layouts(other, "preferred", key, scores)
    ]
    write_json(out, {"scores": rows, "comparisons": comparisons})


def _clean_score(score: Mapping[str, Any], verdicts: Path, solved_tasks: Collection[str]) -> dict[str, Any]:
    """Return the score on the tasks that no row solves; see :func:`write_summary`."""
    clean = [verdict for verdict in read_jsonl(verdicts) if verdict["task_id"] not in solved_tasks]
    count = len({verdict["task_id"] for verdict in clean})
    names = score["metrics"]
    return {
        "n": count,
        "solved_by_rows": score["n"] - count,
        "metrics": _metrics(clean, "base pass@1" in names, [int(name.rpartition("@")[2]) for name in names]),
    }


def first_value(score: Mapping[str, Any]) -> float:
    """Return pass@1, on the original tests if there are added ones.

    Args:
        score: a score, see :func:`build_score`.
    """
    return next(iter(score["metrics"].values()))["value"]


def _common_layouts(one: str, other: str, key: str, scores: Iterable[ScoreKey]) -> list[str]:
    """Return the layouts in which two models were scored on a benchmark."""
    known = set(scores)
    return [
        layout
        for model, layout, each in scores
        if model == one and each == key and (other, layout, key) in known
    ]


def _compare(
    before: ScoreKey,
    after: ScoreKey,
    scores: Mapping[ScoreKey, str | Path],
    found: Mapping[ScoreKey, Mapping[str, Any]],
) -> dict[str, Any]:
    if found[before]["dataset"] != found[after]["dataset"]:
        raise DataError(
            f"{before[2]}: {before[0]} and {after[0]} model were scored on different data",
            file=Path(scores[after]),
        )
    metrics: dict[str, Any] = {}
    for prefix, parts in metric_parts("base pass@1" in found[before]["metrics"]).items():
        name = f"{prefix}pass@1"
        first, second = solved(scores[before], parts), solved(scores[after], parts)
        metrics[name] = {
            "difference": found[after]["metrics"][name]["value"] - found[before]["metrics"][name]["value"],
            "mcnemar": mcnemar([first[task] for task in first], [second[task] for task in first]),
        }
    return {
        "benchmark": before[2],
        "layout": before[1],
        "title": found[before]["title"],
        "first": before[0],
        "second": after[0],
        "metrics": metrics,
    }


def solved(directory: str | Path, parts: Sequence[str]) -> dict[str, bool]:
    """Return whether the first sample of each task passes all `parts`, by task.

    Args:
        directory: directory with ``verdicts.jsonl``.
        parts: names of the parts of a verdict.
    """
    return {
        verdict["task_id"]: all(verdict[part]["status"] == PASS for part in parts)
        for verdict in read_jsonl(Path(directory) / "verdicts.jsonl")
        if verdict["sample"] == 0
    }
