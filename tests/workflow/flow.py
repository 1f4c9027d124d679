"""Which rule reads what another writes: what must rerun with it."""

from __future__ import annotations

# What reads what: a rule, and the rules that take its outputs.
READERS: dict[str, tuple[str, ...]] = {
    "program_environment": ("execute", "nontrivial_tests", "references", "benchmark_score"),
    "references": ("benchmark_score",),
    "fetch_package": ("collect_functions",),
    "collect_functions": ("deduplicate_functions", "seed_statistics", "funnel"),
    "deduplicate_functions": ("check_functions", "seed_statistics", "funnel"),
    "check_functions": ("seed_pool", "seed_statistics", "funnel"),
    "judge_functions": ("seed_pool", "seed_statistics", "funnel"),
    "seed_pool": ("seed_shard", "seed_statistics"),
    "seed_shard": ("concepts",),
    "seed_statistics": ("report",),
    "base_model": (
        *("concepts", "instructions", "responses", "sanitize_smart", "train", "benchmark_samples"),
    ),
    "concepts": ("instructions", "funnel"),
    "instructions": ("filter_instructions", "funnel"),
    "filter_instructions": ("responses", "funnel"),
    "responses": ("execute", "funnel"),
    "execute": ("sanitize_raw", "funnel"),
    "matrix": ("consensus", "funnel"),
    "consensus": ("select", "funnel"),
    "sanitize_raw": ("nontrivial_tests", "funnel"),
    "select": ("sanitize_smart", "funnel"),
    "sanitize_smart": ("decontaminate", "funnel"),
    "nontrivial_tests": ("select", "funnel"),
    "decontaminate": ("dataset", "funnel"),
    "hold_out": ("dataset", "self_tests", "funnel"),
    "self_tests": ("benchmark_samples", "benchmark_score", "funnel"),
    "dataset": ("train", "dataset_card", "report"),
    "dataset_card": ("report",),
    "train": ("benchmark_samples", "report", "model_card"),
    "benchmark_samples": ("benchmark_score",),
    "benchmark_score": ("scores",),
    "scores": ("report", "model_card", "provenance"),
    "funnel": ("dataset_card", "report", "provenance"),
    "provenance": ("report",),
}
# Rules that are not part of the tiny build.
ELSEWHERE = {"fetch_embedded_model"}


def since(*first: str) -> set[str]:
    """Return `first` and all that is downstream of them."""
    rules: set[str] = set()
    queue = list(first)
    while queue:
        rule = queue.pop()
        if rule not in rules:
            rules.add(rule)
            queue.extend(READERS.get(rule, ()))
    return rules - ELSEWHERE
