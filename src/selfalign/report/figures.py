"""Statistics and example rows for the page, computed from the files of a run."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record, read_json, read_jsonl, require
from selfalign.core.lineage import seed_origin
from selfalign.report.files import GENERATION, rows_of, stage_of

KEPT = "kept"
# Maximum length of a text on the page, in characters; the files have the full text.
MAX_TEXT_CHARACTERS = 6000
# Stages of the table of costs, by rule; the rules that are not listed are one row.
STAGES_OF_RULES = {
    **{stage: stage for stage in GENERATION},
    "execute": "execution",
    "train": "training",
    "prefer": "training",
    "benchmark_samples": "evaluation",
    "benchmark_score": "evaluation",
    "checkpoint_samples": "evaluation",
    "checkpoint_score": "evaluation",
}
OTHER_RULES = "other rules"
FIELDS = ("seed", "concepts", "instruction", "response")
# Stages of the published funnel with the corresponding stage of a run and the count used: rows in, or rows out of its
# first or last step.
SAME_STAGE = (
    ("functions with a docstring", "seeds", "first"),
    ("seeds after filtering", "seeds", "last"),
    ("instructions", "instructions", "last"),
    ("responses (10 each, temperature 0.7)", "execution", "in"),
    ("passing execution", "execution", "last"),
    ("final", "dataset", "last"),
)


def beside_published(
    steps: Sequence[dict[str, Any]], published: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the published funnel with the counts of a run.

    Args:
        steps: steps of the run's funnel.
        published: rows of the published funnel.

    Returns:
        rows with ``stage``, ``published``, ``about`` (the published number is rounded), ``ours`` and, for both, the
        share of the previous stage; ``ours`` is None if the run has no corresponding step. The share of instructions
        refers to the seeds used, which may be fewer than the pool.
    """
    known = {row["stage"]: row for row in published}
    used = next((step["in"] for step in steps if step["stage"] == "concepts"), None)
    rows: list[dict[str, Any]] = []
    for stage, ours, which in SAME_STAGE:
        own = [step for step in steps if step["stage"] == ours]
        count = None
        if own:
            count = {"first": own[0]["out"], "in": own[0]["in"], "last": own[-1]["out"]}[which]
        before = rows[-1] if rows else None
        base = used if stage == "instructions" else before and before["ours"]
        rows.append(
            {
                "stage": stage,
                "published": known[stage]["rows"],
                "about": known[stage]["about"],
                "published_share": known[stage]["rows"] / before["published"] if before else None,
                "ours": count,
                "ours_share": count / base if count is not None and base else None,
            }
        )
    return rows


def count_concepts(shards: tuple[Path, ...]) -> list[tuple[str, int]]:
    """Return every concept in lower case with its number of records, most frequent first.

    Args:
        shards: JSON Lines files of the concepts stage.

    Raises:
        DataError: the concepts of a row are no list.
    """
    found: Counter[str] = Counter()
    for path, number, row in rows_of(shards):
        concepts = require(row, "concepts", list, file=path, number=number)
        found.update({str(concept).strip().lower() for concept in concepts} - {""})
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


def count_verdicts(verdicts: tuple[Path, ...]) -> list[tuple[str, str, int]]:
    """Return ``(status, error, count)`` of the sandbox verdicts, most frequent first.

    Args:
        verdicts: JSON Lines files of verdicts.

    Raises:
        DataError: the status of a verdict is no string.
    """
    found = Counter(
        (require(row, "status", str, file=path, number=number), str(row.get("error") or ""))
        for path, number, row in rows_of(verdicts)
    )
    return sorted(((*kind, count) for kind, count in found.items()), key=lambda item: (-item[2], item[:2]))


def account_tokens(metrics: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Return the total tokens and requests of each generation stage.

    Args:
        metrics: JSON files of metrics, one per shard.

    Returns:
        rows with ``stage``, ``requests`` (completed by a server, or cached), ``from_cache``, ``prompt``,
        ``cached`` (of the prompt, by the server), ``completion`` and ``seconds`` of the jobs.
    """
    total: dict[str, Counter[str]] = defaultdict(Counter)
    for path in metrics:
        found, row = read_json(path), total[stage_of(path)]
        row["requests"] += found["answers"] + found["from_cache"]
        row["from_cache"] += found["from_cache"]
        row["prompt"] += found["prompt_tokens"] + found.get("prompt_tokens_from_cache", 0)
        row["cached"] += found["cached_tokens"]
        row["completion"] += found["completion_tokens"] + found.get("completion_tokens_from_cache", 0)
        row["seconds"] += round(found["seconds"])
    return [{"stage": stage, **total[stage]} for stage in GENERATION if stage in total]


def account_preferences(pairs: str | Path | None, metrics: str | Path | None) -> dict[str, Any] | None:
    """Return numbers of the preferences and of the training on them; None if there are no pairs.

    Args:
        pairs: JSON Lines file of the pairs; None: none.
        metrics: JSON Lines file of the metrics of the training on them, one row per step; None: not trained.

    Returns:
        ``pairs`` and ``instructions``; and with metrics ``steps``, the ``first`` and ``last`` loss, and ``preferred``, the
        share of the pairs of the last epoch in which the chosen response has the higher reward.
    """
    if pairs is None:
        return None
    indices = [row["index"] for row in read_jsonl(pairs)]
    found: dict[str, Any] = {"pairs": len(indices), "instructions": len(set(indices))}
    logged = list(read_jsonl(metrics)) if metrics else []
    if logged:
        shares = [row["rewards/accuracies"] for row in logged if row["epoch"] > logged[-1]["epoch"] - 1]
        found |= {
            "steps": len(logged),
            "first": logged[0]["loss"],
            "last": logged[-1]["loss"],
            "preferred": sum(shares) / len(shares),
        }
    return found


def account_training(logged: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return what a training took in total; empty if its metrics do not tell.

    Args:
        logged: metrics, one row per step.

    Returns:
        ``steps``, ``tokens`` (without padding), ``tokens_per_s``, ``padding_share`` (of all positions computed),
        ``flops`` (of the model, without padding and recomputation), ``peak_memory_mb`` and, if the peak performance of
        the device is known, ``mfu``, its utilisation.
    """
    if not logged or any("flops" not in row for row in logged):
        return {}
    seconds = [row["tokens"] / row["tokens_per_s"] for row in logged]
    tokens = sum(row["tokens"] for row in logged)
    found = {
        "steps": len(logged),
        "tokens": tokens,
        "tokens_per_s": tokens / sum(seconds),
        "padding_share": 1 - tokens / sum(row["tokens"] / (1 - row["padding_share"]) for row in logged),
        "flops": sum(row["flops"] for row in logged),
        "peak_memory_mb": max(row["peak_memory_mb"] for row in logged),
    }
    if all("mfu" in row for row in logged):
        found["mfu"] = sum(row["mfu"] * each for row, each in zip(logged, seconds, strict=True)) / sum(
            seconds
        )
    return found


def account_time(benchmarks: Path | None) -> list[dict[str, Any]]:
    """Return time and memory of the jobs of each rule, as measured by Snakemake in their last runs.

    Args:
        benchmarks: directory of Snakemake's benchmark files; None: no rows.

    Returns:
        rows with ``rule``, ``jobs``, ``seconds`` (total of all jobs), ``cpu_seconds`` and ``peak_mib``; longest first.
    """
    if benchmarks is None:
        return []
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        row = found.setdefault(
            rule, {"rule": rule, "jobs": 0, "seconds": 0.0, "cpu_seconds": 0.0, "peak_mib": 0.0}
        )
        with path.open(encoding="utf-8", newline="") as handle:
            for job in csv.DictReader(handle, delimiter="\t"):
                row["jobs"] += 1
                row["seconds"] += _number(job.get("s"))
                row["cpu_seconds"] += _number(job.get("cpu_time"))
                row["peak_mib"] = max(row["peak_mib"], _number(job.get("max_rss")))
    return sorted(found.values(), key=lambda row: (-row["seconds"], row["rule"]))


def account_stages(
    time: Sequence[dict[str, Any]],
    energy: Mapping[str, float | None],
    *,
    price_per_hour: float = 0.0,
    price_per_kwh: float = 0.0,
) -> list[dict[str, Any]]:
    """Return hours, energy and price of each stage.

    Args:
        time: rows of :func:`account_time`.
        energy: energy of stages, in kWh, of :func:`account_energy`; that of other stages is not known.
        price_per_hour: price of one hour of a job's machine; 0: not part of the price.
        price_per_kwh: price of one kWh; 0: not part of the price.

    Returns:
        rows with ``stage``, ``jobs``, ``hours`` (of all jobs together), ``kwh`` and ``money``; the last two are None
        where they are not known.
    """
    found: dict[str, dict[str, Any]] = {}
    for stage in (*STAGES_OF_RULES.values(), OTHER_RULES):
        found.setdefault(stage, {"stage": stage, "jobs": 0, "hours": 0.0})
    for row in time:
        total = found[STAGES_OF_RULES.get(row["rule"], OTHER_RULES)]
        total["jobs"] += row["jobs"]
        total["hours"] += row["seconds"] / 3600
    rows = [row for row in found.values() if row["jobs"]]
    for row in rows:
        row["kwh"] = energy.get(row["stage"])
        row["money"] = row["hours"] * price_per_hour
        if price_per_kwh:
            row["money"] = None if row["kwh"] is None else row["money"] + row["kwh"] * price_per_kwh
    return rows


def account_energy(metrics: tuple[Path, ...]) -> dict[str, float | None]:
    """Return the energy of the machines of each generation stage in kWh; None where a job does not know its energy.

    A job's figure is that of its whole machine. Where jobs of a stage overlap on a machine, it is counted once: the mean
    power of the jobs, for the time during which one of them ran.

    Args:
        metrics: JSON files of metrics, one per shard.
    """
    jobs: dict[str, list[dict[str, Any] | None]] = defaultdict(list)
    for path in metrics:
        found = read_json(path)
        if found["answers"]:  # a job whose completions are all cached used no server
            jobs[stage_of(path)].append(found.get("energy"))
    return {stage: _energy_kwh(measured) for stage, measured in jobs.items()}


def _energy_kwh(jobs: Sequence[dict[str, Any] | None]) -> float | None:
    machines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for job in jobs:
        if job is None or job["joules"] is None:
            return None
        machines[job["machine"]].append(job)
    joules = 0.0
    for measured in machines.values():
        power = sum(job["joules"] for job in measured) / (sum(job["seconds"] for job in measured) or 1)
        covered, until = 0.0, 0.0
        for job in sorted(measured, key=lambda job: job["started_at"]):
            end = job["started_at"] + job["seconds"]
            covered += max(0.0, end - max(until, job["started_at"]))
            until = max(until, end)
        joules += power * covered
    return joules / 3.6e6


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:  # Snakemake writes NA or - for missing measurements
        return 0.0


def checksums(listed: Path | None, files: Sequence[Path | None]) -> list[tuple[str, str]]:
    """Return ``(file, SHA-256)`` of the dataset's files and of others.

    Args:
        listed: checksum file of the dataset.
        files: further files, whose checksums are computed.
    """
    rows = []
    if listed is not None:
        for line in listed.read_text(encoding="utf-8").splitlines():
            value, _, name = line.partition("  ")
            rows.append((f"{listed.parent.name}/{name}", value))
    return rows + [
        (f"{path.parent.name}/{path.name}", file_sha256(path)) for path in files if path is not None
    ]


def example_rows(
    dataset: Path | None, dropped: tuple[Path, ...], *, kept: int, per_reason: int
) -> list[dict[str, Any]]:
    """Return example rows for the page: kept rows first, then dropped ones in the order of the steps.

    Args:
        dataset: JSON Lines file of the dataset.
        dropped: JSON Lines files of dropped rows.
        kept: maximum number of kept rows.
        per_reason: maximum number of dropped rows per step and reason.
    """
    shown = []
    if dataset is not None:
        for row in read_jsonl(dataset):
            if len(shown) == kept:
                break
            shown.append(_shown(row, KEPT, ""))
    seen: Counter[tuple[str, str]] = Counter()
    for path, _, row in rows_of(dropped):
        step, reason = stage_of(path), str(row.get("reason", ""))
        seen[step, reason] += 1
        if seen[step, reason] <= per_reason:
            shown.append(_shown(row, step, reason))
    return shown


def _shown(row: Record, where: str, reason: str) -> dict[str, Any]:
    """Return the data of a row on the page: step and reason of its drop, texts, lineage."""
    origin = seed_origin(row)
    return {
        "index": row.get("index"),
        "where": where,
        "reason": reason,
        "detail": row.get("detail"),
        "package": origin.get("package") or origin.get("repository") or origin.get("dataset") or "",
        "texts": {name: _text(row[name]) for name in FIELDS if name in row},
        "lineage": row.get("lineage", {}),
    }


def _text(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return (
        text
        if len(text) <= MAX_TEXT_CHARACTERS
        else text[:MAX_TEXT_CHARACTERS] + " … (truncated; the file has the full text)"
    )
