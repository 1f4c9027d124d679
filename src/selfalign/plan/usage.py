"""What one seed costs on its way to the data set: counted in a run that is there, or assumed of the published one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_json

STAGES = ("concepts", "instructions", "responses")


@dataclass(frozen=True)
class StageUsage:
    """Mean cost of a request of one generation stage.

    Attributes:
        requests: per seed (what came through the stages before).
        prompt_tokens: per request.
        completion_tokens: per request, all its samples together.
        samples: per request.
    """

    requests: float
    prompt_tokens: float
    completion_tokens: float
    samples: int


@dataclass(frozen=True)
class Usage:
    """What a seed costs and leaves.

    Attributes:
        source: where the figures come from, for people.
        passing: responses that pass execution, per seed.
        rows: rows of the final data set, per seed.
        row_tokens: of a final row.
        tokens_per_s: completion tokens a second that the run's servers gave; None where nothing was asked.
    """

    source: str
    stages: dict[str, StageUsage]
    passing: float
    rows: float
    row_tokens: float
    tokens_per_s: float | None = None


# Rows: the published funnel of StarCoder2-Instruct. Prompts: 400 built from the published few-shots and other
# seeds, completions: the mean of the published few-shots' own answers; both in tokens of SmolLM2's tokenizer, whose
# vocabulary is as large as StarCoder2's.
PUBLISHED = Usage(
    source="assumed: the published funnel, and prompts built from the published few-shots",
    stages={
        "concepts": StageUsage(1.0, 1701, 16, 1),
        "instructions": StageUsage(1.0, 1484, 122, 1),
        "responses": StageUsage(238_000 / 248_934, 906, 10 * 648, 10),
    },
    passing=500_000 / 248_934,
    rows=50_661 / 248_934,
    row_tokens=450,
)


def read_usage(run: str | Path) -> Usage:
    """Return what a seed cost in a finished run, from its counts, metrics and funnel.

    Tokens of answers that came out of the journal count as those that were asked: a plan is for a journal
    that is empty.

    Raises:
        DataError: the run has no metrics of a stage, or they count no tokens.
    """
    run = Path(run)
    seeds, stages, seconds, fresh = 0, {}, 0.0, 0
    for stage in STAGES:
        found = _sum(run / stage / "metrics")
        counts = _sum(run / stage / "counts")
        seeds = seeds or counts["in"]
        asked = found["answers"] + found["from_journal"]
        if not asked or not seeds:
            raise DataError(
                "counts no answered request; a plan needs a run that asked some", file=run / stage
            )
        prompt = found["prompt_tokens"] + found.get("known_prompt_tokens", 0)
        completion = found["completion_tokens"] + found.get("known_completion_tokens", 0)
        if not completion:
            raise DataError(
                "counts no tokens: everything came from a journal, by a version that did not count those",
                file=run / stage / "metrics",
            )
        choices = counts.get("extra", {}).get("choices", asked)
        stages[stage] = StageUsage(
            asked / seeds, prompt / asked, completion / asked, max(1, round(choices / asked))
        )
        if found["answers"]:
            seconds += found["seconds"]
            fresh += found["completion_tokens"]
    steps = read_json(run / "report/funnel.json")["steps"]
    out = {step["stage"]: step["out"] for step in steps}  # of each stage's last step
    return Usage(
        source=f"counted in {run}",
        stages=stages,
        passing=out["execution"] / seeds,
        rows=out["dataset"] / seeds,
        row_tokens=PUBLISHED.row_tokens,
        tokens_per_s=fresh / seconds if seconds else None,
    )


def _sum(directory: Path) -> dict[str, Any]:
    """Return the numbers of all JSON files in `directory`, added up by key, one level deep."""
    files = sorted(directory.glob("*.json"))
    if not files:
        raise DataError("holds no JSON files; is this the directory of a run?", file=directory)
    return _added(read_json(file) for file in files)


def _added(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, int | float):
                total[key] = total.get(key, 0) + value
            elif isinstance(value, dict):
                total[key] = _added([total.get(key, {}), value])
    return total
