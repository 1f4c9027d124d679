"""A generation stage over a file: records in, the same records with the model's answers out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from selfalign.client import Client, Request, Result
from selfalign.client.failures import Failures
from selfalign.client.progress import progress
from selfalign.completion_cache import request_key
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record, read_jsonl
from selfalign.core.lineage import with_lineage
from selfalign.generate.answers import usable_values
from selfalign.generate.asks import Ask, Sampling, read_asks
from selfalign.generate.prompts import PromptBuilder

# Records whose requests are brought together by prefix; also how many answered rows may wait for their turn.
GROUPING_WINDOW = 2048


@dataclass(frozen=True)
class Stage:
    """What one stage asks, of what.

    Attributes:
        identity: what the model is; goes into the lineage.
        fingerprint: short hash of the prompt template, few-shot file and settings; goes into the records.

    Raises:
        ConfigError: several samples are asked of a mode whose answer is a single value.
    """

    builder: PromptBuilder
    sampling: Sampling
    identity: str
    fingerprint: str

    def __post_init__(self) -> None:
        if self.sampling.n > 1 and self.builder.layout.many is None:
            raise ConfigError(
                f"stage '{self.name}': n is {self.sampling.n}, but the prompt template has no field for several answers"
            )

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self.builder.layout.stage

    def judge(self, ask: Ask, result: Result, choices: Counter[str]) -> Outcome:
        """Return the record with its answers, or the reason why none can be used; count the choices in `choices`."""
        layout = self.builder.layout
        values, unusable = usable_values(result, layout)
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
        lineage = {k: v for k, v in ask.record.items() if k == "lineage"}
        row = {k: v for k, v in ask.record.items() if k not in ("prompt", "fingerprint", "lineage")}
        row |= {"prompt": ask.prompt.text, "fingerprint": self.fingerprint, **answer, **lineage}
        return Keep(with_lineage(row, layout.output, **self._origin(ask)))

    def _origin(self, ask: Ask) -> Record:
        prompt = ask.prompt
        return {
            "model": self.identity,
            # Named as in records of earlier versions, whose bytes must not change.
            "recipe": self.builder.prompt_template.name,
            "few_shots": list(prompt.examples),
            "request_seed": prompt.seed,
            "temperature": self.sampling.temperature,
            "prompt_sha256": text_sha256(prompt.text),
            "completion_key": request_key(
                self.identity, ask.request(self.sampling, self.builder.prompt_template).body()
            ),
            **({"drawn": prompt.drawn} if prompt.drawn else {}),
        }


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
    """Run `stage` over the records of `source`; write those answered to `out`, the others to `dropped`.

    Rows are in the order of `source` whatever the order of the answers.

    Args:
        stage: what is asked.
        client: asks it.
        source: JSON Lines.
        out: JSON Lines of the records with their answers.
        dropped: JSON Lines of the records without, each with its reason; None writes none.
        max_failed_share: largest share of requests that may fail for good, those aside that the server refuses for
            what they say.
        live: draw a progress bar where there is a terminal.

    Raises:
        InfrastructureError: more than `max_failed_share` of the requests failed for good, or all were refused.
        DataError: a record cannot be asked about.
    """
    total = sum(1 for _ in read_jsonl(source))
    choices: Counter[str] = Counter()
    failures = Failures(stage.name, max_failed_share)
    with (
        StepWriter(stage.name, out=out, dropped=dropped) as writer,
        progress(stage.name, total, client.metrics, live) as step,
    ):
        for ask, result in _answered(stage, client, read_asks(source, stage.builder)):
            step()
            outcome = stage.judge(ask, result, choices) if result.error is None else failures.note(result)
            writer.put(ask.record, outcome)
            if isinstance(outcome, Drop):
                failures.check(total)
    writer.counts.extra = dict(sorted(choices.items()))
    return writer.counts


def _answered(stage: Stage, client: Client, asks: Iterable[Ask]) -> Iterator[tuple[Ask, Result]]:
    """Yield every ask with its result, in the order of `asks`; send them in the order :func:`_by_prefix`."""
    sent: deque[tuple[int, Ask]] = deque()
    waiting: dict[int, tuple[Ask, Result]] = {}
    turn = 0

    def requests() -> Iterator[Request]:
        for place, ask in _by_prefix(asks):
            sent.append((place, ask))
            yield ask.request(stage.sampling, stage.builder.prompt_template)

    for result in client.complete(requests()):
        place, ask = sent.popleft()
        waiting[place] = (ask, result)
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def _by_prefix(asks: Iterable[Ask]) -> Iterator[tuple[int, Ask]]:
    """Yield ``(place, ask)``, those with the same few-shots together within a window."""
    numbered = enumerate(asks)
    while window := list(islice(numbered, GROUPING_WINDOW)):
        yield from sorted(window, key=lambda item: item[1].prompt.group)
