"""The judge's job of the workflow: one unit's functions, by the configuration."""

from __future__ import annotations

from pathlib import Path

from selfalign.core.config import Config
from selfalign.core.jsonl import write_json
from selfalign.seeds.judge import judge_file
from selfalign.serving.client import served_client


def judge_unit(
    config: Config,
    rows: str | Path,
    checkpoint: str | Path | None,
    *,
    out: str | Path,
    dropped: str | Path,
    counts: str | Path,
) -> None:
    """Judge the rows of a unit with the configured model.

    Args:
        checkpoint: the model's checkpoint; None where an external server has it.
    """
    with served_client(config, checkpoint) as (client, identity):
        done = judge_file(
            rows,
            client,
            config.seeds.judge,
            identity,
            out=out,
            dropped=dropped,
            max_failed_share=config.client.max_failed_share,
        )
    write_json(counts, done.to_json())
