"""One generation job of the workflow: a stage over a shard, by the configuration."""

from __future__ import annotations

import logging
from pathlib import Path

from selfalign.core.config import Config
from selfalign.core.config.generation import ModeConfig
from selfalign.core.jsonl import write_json
from selfalign.generate.asks import Sampling
from selfalign.generate.setup import build_prompts, build_stage
from selfalign.generate.stage import run_stage
from selfalign.serving.client import served_client

log = logging.getLogger(__name__)


def run_shard(
    config: Config,
    stage: str,
    source: str | Path,
    checkpoint: str | Path | None,
    *,
    few_shots: str | Path,
    out: str | Path,
    dropped: str | Path,
    counts: str | Path,
    metrics: str | Path,
) -> None:
    """Run `stage` ("concepts", "instructions" or "responses") over the shard `source`.

    Args:
        checkpoint: the model's checkpoint; None where an external server has it.
        few_shots: the few-shot file.
        out: JSON Lines of the records answered.
        dropped: JSON Lines of the others, with their reasons.
        counts: JSON of the step's counts.
        metrics: JSON of what the client did: requests, tokens, throughput, latencies, retries.
    """
    generation = config.generation
    settings: ModeConfig = getattr(generation, stage)
    direct = stage == "instructions" and generation.pipeline == "direct"
    builder = build_prompts(
        generation.prompt_template,
        few_shots,
        "S->I" if direct else stage,
        settings.num_few_shots,
        seed=generation.seed,
        selection=generation.mode,
        permutations=generation.permutations,
        numbers=settings.examples or None,
    )
    sampling = Sampling(settings.n, settings.temperature, settings.max_new_tokens, settings.frequency_penalty)
    share = config.client.max_failed_share
    with served_client(config, checkpoint) as (client, identity):
        prepared = build_stage(builder, sampling, generation.prompt_template, few_shots, identity)
        done = run_stage(prepared, client, source, out, dropped, max_failed_share=share, live=False)
        write_json(metrics, client.metrics.to_json())
    write_json(counts, done.to_json())
    log.info("%s: %d of %d records answered", stage, done.records_out, done.records_in)
