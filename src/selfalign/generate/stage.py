"""A generation stage: adds a model's completions to the records of a file."""

from __future__ import annotations

import dataclasses
import logging
import platform
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from selfalign.client import Choice, Client, Request, Result
from selfalign.client.progress import Failures, progress
from selfalign.completion_cache import request_key
from selfalign.core.config import Config
from selfalign.core.config.generation import ModeConfig
from selfalign.core.config.serving import ClientConfig
from selfalign.core.energy import metered
from selfalign.core.errors import ConfigError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.hashing import file_sha256, json_sha256, text_sha256
from selfalign.core.jsonl import Record, read_jsonl, write_json
from selfalign.core.lineage import with_lineage
from selfalign.core.prompt_template import ModeLayout, find_prompt_template
from selfalign.generate.prompted_records import PromptedRecord, Sampling, read_prompted_records
from selfalign.generate.prompts import PromptBuilder, build_prompts
from selfalign.serving.client import served_client

log = logging.getLogger(__name__)

# Number of records within which requests are sorted by prefix; at most as many completed rows wait to be written.
GROUPING_WINDOW = 2048


@dataclass(frozen=True)
class Stage:
    """A generation stage and its model.

    Attributes:
        builder: builds the prompts.
        sampling: sampling parameters.
        identity: identity of the model; part of the lineage.
        fingerprint: short hash of the prompt template, few-shot file and settings; a field of the records.
        round_number: number of the round; part of the lineage of later rounds.

    Raises:
        ConfigError: several samples are requested in a mode whose output is a single value.
    """

    builder: PromptBuilder
    sampling: Sampling
    identity: str
    fingerprint: str
    round_number: int = 1

    def __post_init__(self) -> None:
        if self.sampling.n > 1 and self.builder.layout.many is None:
            raise ConfigError(
                f"stage '{self.name}': n is {self.sampling.n}, but the prompt template has no field for several samples (many)"
            )

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.builder.layout.stage

    def outcome(self, prompted: PromptedRecord, result: Result, choices: Counter[str]) -> Outcome:
        """Return the record with its completions, or the reason why it is dropped.

        Args:
            prompted: the record.
            result: the result of its request, without an error.
            choices: counts of choices, which are updated.
        """
        layout = self.builder.layout
        values, unusable = parse_completions(result, layout)
        choices.update(
            {"choices": len(result.choices), "choices_usable": len(values)}
            | {f"choices_{reason}": number for reason, number in unusable.items()}
        )
        if not values:
            reason = next(iter(unusable)) if len(unusable) == 1 else "no_usable_choice"
            return Drop(reason, dict(sorted(unusable.items())) if self.sampling.n > 1 else None)
        if layout.many is not None and self.sampling.n > 1:
            answer = {layout.many: [{layout.output: value} for value in values]}
        else:
            answer = {layout.output: values[0]}
        lineage = {k: v for k, v in prompted.record.items() if k == "lineage"}
        row = {k: v for k, v in prompted.record.items() if k not in ("prompt", "fingerprint", "lineage")}
        row |= {"prompt": prompted.prompt.text, "fingerprint": self.fingerprint, **answer, **lineage}
        return Keep(with_lineage(row, layout.output, **self._origin(prompted)))

    def _origin(self, prompted: PromptedRecord) -> Record:
        prompt = prompted.prompt
        return {
            "model": self.identity,
            # Named as in records of earlier versions, whose bytes must not change.
            "recipe": self.builder.prompt_template.name,
            "few_shots": list(prompt.examples),
            "request_seed": prompt.seed,
            "temperature": self.sampling.temperature,
            "prompt_sha256": text_sha256(prompt.text),
            "completion_key": request_key(
                self.identity, prompted.request(self.sampling, self.builder.prompt_template).body()
            ),
            **({"drawn": prompt.drawn} if prompt.drawn else {}),
            **({"round": self.round_number} if self.round_number > 1 else {}),
        }


def build_stage(
    builder: PromptBuilder,
    sampling: Sampling,
    prompt_template: str | Path,
    few_shots: str | Path,
    identity: str,
    *,
    round_number: int = 1,
) -> Stage:
    """Return the stage that sends a builder's prompts to a model.

    Args:
        builder: builds the prompts.
        sampling: sampling parameters.
        prompt_template: name or file of the builder's prompt template; its contents are part of the fingerprint.
        few_shots: the builder's few-shot file; its contents are part of the fingerprint.
        identity: identity of the model (checkpoint hash, or hub id and revision).
        round_number: number of the round.

    Raises:
        ConfigError: several samples are requested in a mode whose output is a single value.
    """
    determines = {
        # Named as in records of earlier versions, whose bytes must not change.
        "recipe": file_sha256(find_prompt_template(prompt_template)),
        "few_shots": file_sha256(few_shots),
        "prompts": builder.settings(),
        "sampling": dataclasses.asdict(sampling),
        "model": identity,
    }
    return Stage(builder, sampling, identity, json_sha256(determines)[:16], round_number)


def parse_completions(result: Result, layout: ModeLayout) -> tuple[list[Any], Counter[str]]:
    """Return the values of the usable choices, in their order, and the number of unusable ones by reason.

    Args:
        result: the result of a request, without an error.
        layout: the mode; says whether a completion is a text or a list.

    Returns:
        Values, and counts of ``cut`` (ended at the token limit) and ``empty``.
    """
    values: list[Any] = []
    unusable: Counter[str] = Counter()
    for choice in result.choices:
        if (reason := _unusable(choice)) is not None:
            unusable[reason] += 1
        elif layout.split is not None:
            values.append([item.strip() for item in choice.text.split(layout.split)])
        else:
            values.append(choice.text.strip())
    return values, unusable


def _unusable(choice: Choice) -> str | None:
    if choice.finish_reason == "length":
        return "cut"
    return None if choice.text.strip(" \t\r\n,") else "empty"


def run_stage(
    stage: Stage,
    client: Client,
    source: str | Path,
    out: str | Path,
    dropped: str | Path | None = None,
    *,
    max_failed_share: float = ClientConfig().max_failed_share,
    live: bool = True,
) -> StepCounts:
    """Run a stage over the records of a file. Rows keep the order of the file.

    Args:
        stage: the stage.
        client: client of the stage's model.
        source: JSON Lines.
        out: JSON Lines of the records with their completions.
        dropped: JSON Lines of the dropped records, each with its reason; None: not written.
        max_failed_share: largest share of requests that may fail permanently, not counting those that the server
            rejects for their content.
        live: show a progress bar if standard error is a terminal.

    Raises:
        InfrastructureError: more than `max_failed_share` of the requests failed permanently, or all were rejected.
        DataError: a prompt cannot be built.
    """
    total = sum(1 for _ in read_jsonl(source))
    choices: Counter[str] = Counter()
    failures = Failures(stage.name, max_failed_share)
    with (
        StepWriter(stage.name, out=out, dropped=dropped) as writer,
        progress(stage.name, total, client.metrics, live) as step,
    ):
        for prompted, result in _completed(stage, client, read_prompted_records(source, stage.builder)):
            step()
            outcome = (
                stage.outcome(prompted, result, choices) if result.error is None else failures.note(result)
            )
            writer.put(prompted.record, outcome)
            if isinstance(outcome, Drop):
                failures.check(total)
    writer.counts.extra = dict(sorted(choices.items()))
    return writer.counts


def _completed(
    stage: Stage, client: Client, records: Iterable[PromptedRecord]
) -> Iterator[tuple[PromptedRecord, Result]]:
    """Yield every record with its result, in the order of `records`; send them in that of :func:`_by_prefix`."""
    sent: deque[tuple[int, PromptedRecord]] = deque()
    waiting: dict[int, tuple[PromptedRecord, Result]] = {}
    position = 0

    def requests() -> Iterator[Request]:
        for place, prompted in _by_prefix(records):
            sent.append((place, prompted))
            yield prompted.request(stage.sampling, stage.builder.prompt_template)

    for result in client.complete(requests()):
        place, prompted = sent.popleft()
        waiting[place] = (prompted, result)
        while position in waiting:
            yield waiting.pop(position)
            position += 1


def _by_prefix(records: Iterable[PromptedRecord]) -> Iterator[tuple[int, PromptedRecord]]:
    """Yield every record with its position; those with the same few-shot examples together within a window."""
    numbered = enumerate(records)
    while window := list(islice(numbered, GROUPING_WINDOW)):
        yield from sorted(window, key=lambda item: item[1].prompt.group)


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
    round_number: int = 1,
) -> None:
    """Run a stage over one shard, as the workflow's job.

    Args:
        config: the configuration.
        stage: name of the stage: ``concepts``, ``instructions`` or ``responses``.
        source: JSON Lines, the shard.
        checkpoint: the model's checkpoint; None where an external server has it.
        few_shots: the few-shot file.
        out: JSON Lines of the records with their completions.
        dropped: JSON Lines of the dropped records, with their reasons.
        counts: JSON of the step's counts.
        metrics: JSON of the client's metrics: requests, tokens, throughput, latencies, retries; and of the energy of this
            machine during the job, if its server runs here.
        round_number: number of the round; in later rounds, `checkpoint` is the model tuned in the round before.

    Raises:
        DataError: a prompt cannot be built, or `checkpoint` is no checkpoint.
        ConfigError: the settings contradict each other.
        InfrastructureError: the server cannot be started or reached, or too many requests failed.
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
    with (
        metered() as meter,
        served_client(config, checkpoint, tuned=round_number > 1) as (client, identity),
    ):
        prepared = build_stage(
            builder,
            sampling,
            generation.prompt_template,
            few_shots,
            identity,
            round_number=round_number,
        )
        done = run_stage(prepared, client, source, out, dropped, max_failed_share=share, live=False)
        energy = None if config.server.kind == "external" else {"machine": platform.node(), **meter.to_json()}
        write_json(metrics, {**client.metrics.to_json(), "energy": energy})
    write_json(counts, done.to_json())
    log.info("%s: completed %d of %d records", stage, done.records_out, done.records_in)
