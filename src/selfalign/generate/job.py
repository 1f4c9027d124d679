"""One generation job of the workflow: a stage over a shard, by the configuration."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from selfalign.client import open_client
from selfalign.core.checkpoint import read_identity
from selfalign.core.config import Config
from selfalign.core.config.generation import ModeConfig
from selfalign.core.config.model import ModelConfig
from selfalign.core.jsonl import write_json
from selfalign.generate.asks import Sampling
from selfalign.generate.setup import build_prompts, build_stage
from selfalign.generate.stage import run_stage
from selfalign.serving import endpoints

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
        checkpoint: the model's checkpoint; None where the server runs elsewhere.
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
        generation.recipe,
        few_shots,
        "S->I" if direct else stage,
        settings.num_fewshots,
        seed=generation.seed,
        selection=generation.mode,
        permutations=generation.permutations,
        numbers=settings.examples or None,
    )
    sampling = Sampling(settings.n, settings.temperature, settings.max_tokens, settings.frequency_penalty)
    identity = model_identity(config.model, checkpoint)
    prepared = build_stage(builder, sampling, generation.recipe, few_shots, identity)
    with contextlib.ExitStack() as servers:
        # A server is started when something has to be sent: a job that the journal answers needs none.
        client = servers.enter_context(
            open_client(
                lambda: servers.enter_context(endpoints(config, checkpoint)),
                config.model.name,
                identity=identity,
                journal=Path(config.paths.journal),
                settings=config.client,
            )
        )
        share = config.client.max_failed_share
        done = run_stage(prepared, client, source, out, dropped, max_failed_share=share, live=False)
        write_json(metrics, client.metrics.to_json())
    write_json(counts, done.to_json())
    log.info("%s: %d of %d records answered", stage, done.records_out, done.records_in)


def model_identity(model: ModelConfig, checkpoint: str | Path | None) -> str:
    """Return what the model is: id and revision on the hub, else the hash of the checkpoint."""
    if model.source == "hub":
        return f"{model.id}@{model.revision}"
    if checkpoint is None and model.path is None:
        return f"{model.source}:{model.name}"
    return read_identity(checkpoint or model.path or "")
