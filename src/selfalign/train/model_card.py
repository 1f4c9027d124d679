"""The model card of a tuned checkpoint, made from the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.chat import STOP, inference_prompt
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import Record
from selfalign.train.data import Encoded
from selfalign.train.job import TrainingJob

CARD = """\
---
{head}---

# {title}, fine-tuned on its own answers

{title} was fine-tuned on instructions and responses that a model wrote itself and that passed their own tests when
they were run (self-alignment as in StarCoder2-Instruct; Wei et al. 2024, arXiv:2410.24198).

## Data

{rows} rows (SHA-256 of the file: `{sha256}`), {truncated} of them cut at {max_length} tokens.
{licences}

## Training

{steps} steps; loss {first:.4f} at the first, {last:.4f} at the last (each that of its own rows).
Dropout was off, gradients were not clipped, loss was on responses only.

| hyperparameter | value |
|---|---|
{table}

## Use

The tokenizer carries the chat template. Without it, the prompt is the following text, after the beginning-of-sequence
token if there is one; decoding is greedy and ends at the end of the sequence or at `{stop}`, which is cut off.

```text
{prompt}```

## Scores

{scores}

## Limits

The answers are code that nobody has reviewed. Run it in a sandbox.
"""
UNKNOWN_SCORES = "Not in this card, which is written before the model is scored; `README.md` beside this directory has them."


def write_model_card(
    directory: Path,
    job: TrainingJob,
    *,
    rows: Sequence[Record],
    encoded: Encoded,
    logged: Sequence[dict[str, Any]],
) -> None:
    """Write ``README.md`` into the checkpoint `directory`.

    Args:
        rows: the data set.
        logged: the metrics, a row a step.
    """
    head = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["code", "self-alignment"],
    }
    table = "\n".join(f"| `{name}` | {value} |" for name, value in job.config.decisive().items())
    text = CARD.format(
        head=yaml.safe_dump(head, sort_keys=False),
        title=job.title,
        rows=len(rows),
        sha256=file_sha256(job.dataset),
        truncated=encoded.truncated,
        max_length=job.config.max_length,
        licences=licences(rows),
        steps=len(logged),
        first=logged[0]["loss"],
        last=logged[-1]["loss"],
        table=table,
        stop=STOP,
        prompt=inference_prompt("{instruction}"),
        scores=UNKNOWN_SCORES,
    )
    (directory / "README.md").write_text(text, encoding="utf-8")


def licences(rows: Sequence[Record]) -> str:
    """Return a sentence about the licences of the seeds, as the rows' lineage tells them."""
    seeds = [row.get("lineage", {}).get("seed", {}) for row in rows]
    counts = Counter(seed.get("license", "unknown") for seed in seeds)
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return f"Licences of the seed functions by rows: {listed}."
