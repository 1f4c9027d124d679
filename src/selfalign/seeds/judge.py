"""Judge of seeds: a served model decides whether a docstring describes its function well enough to write it.

The model answers a few-shot prompt at temperature 0, as in StarCoder2-Instruct: a seed is kept if its answer has more
"yes" than "no". If the server returns log probabilities, those of the first token can decide instead, whatever the
wording.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from selfalign.client import Choice, Client, Request
from selfalign.client.progress import Failures
from selfalign.core.config import Config
from selfalign.core.config.base import Section, validate_section
from selfalign.core.config.seeds import JudgeConfig
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.filtering import Drop, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.hashing import json_sha256
from selfalign.core.jsonl import Record, write_json
from selfalign.core.lineage import with_lineage
from selfalign.seeds.pool import read_seeds
from selfalign.serving.client import served_client

TOP_LOGPROBS = 5
_ANSWER = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


class Example(Section):
    """An example of the few-shot prompt."""

    code: str = Field(description="The function.")
    answer: str = Field(pattern="^(Yes|No)$", description="Yes or No.")


class JudgePrompt(Section):
    """The judge's prompt file."""

    introduction: str = Field(description="Text before the examples, which explains the question.")
    layout: str = Field(description="Layout of a question; {code} stands for the function.")
    stop: list[str] = Field(description="Stop strings.")
    examples: list[Example] = Field(description="Questions with answers.")

    def render(self, seed: str) -> str:
        """Return the prompt for a seed, up to its answer."""
        shots = [f"{self._question(each.code)} {each.answer}" for each in self.examples]
        return "".join([self.introduction.rstrip(), *shots, self._question(seed)])

    def _question(self, code: str) -> str:
        return self.layout.rstrip().replace("{code}", code.rstrip())


def load_prompt(path: str | Path) -> JudgePrompt:
    """Read the prompt file of the judge.

    Args:
        path: YAML file.

    Raises:
        DataError: it cannot be read.
        ConfigError: a key is missing or unknown.
    """
    try:
        value = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"expected the judge's prompt as YAML ({error})", file=path) from None
    return validate_section(JudgePrompt, value, str(path))


def vote(choices: Iterable[Choice]) -> Drop | None:
    """Return None if the answers have more "yes" than "no", or else the drop.

    Args:
        choices: answers of the model.
    """
    words = [word.lower() for choice in choices for word in _ANSWER.findall(choice.text)]
    yes, no = words.count("yes"), words.count("no")
    return None if yes > no else Drop("judged_no", {"yes": yes, "no": no})


def weigh(choices: Iterable[Choice]) -> Drop | None:
    """Return None if the first token is more probably "yes" than "no", or else the drop.

    Args:
        choices: answers of the model, with log probabilities.

    Raises:
        InfrastructureError: the server returned no log probabilities.
    """
    yes = no = 0.0
    for choice in choices:
        top = _first_token(choice.logprobs)
        if top is None:
            raise InfrastructureError(
                "the server returned no log probabilities; set seeds.judge.by to 'answers'"
            )
        for token, logprob in top.items():
            word = token.strip().lower()
            yes += math.exp(logprob) if word == "yes" else 0.0
            no += math.exp(logprob) if word == "no" else 0.0
    return None if yes > no else Drop("judged_no", {"yes": round(yes, 6), "no": round(no, 6)})


def judge(
    records: Iterable[Record],
    client: Client,
    prompt: JudgePrompt,
    settings: JudgeConfig,
    identity: str,
    *,
    failures: Failures,
) -> Iterator[tuple[Record, Outcome]]:
    """Yield each record with the judge's verdict, in input order.

    A request that failed permanently drops its record with a reason of its own, and is counted in `failures`.

    Args:
        records: the seeds.
        client: client of the judging model.
        prompt: prompt of the judge.
        settings: settings of the judge.
        identity: identity of the judging model, for the lineage.
        failures: counts requests that failed permanently.
    """
    sent: deque[Record] = deque()
    by_logprobs = settings.by == "logprobs"
    origin = {"model": identity, "by": settings.by, "prompt": json_sha256(prompt.model_dump())[:16]}

    def requests() -> Iterator[Request]:
        for number, record in enumerate(records):
            sent.append(record)
            yield Request(
                key=f"seed {number} ({record.get('path', '?')})",
                prompt=prompt.render(record["seed"]),
                max_tokens=1 if by_logprobs else settings.max_new_tokens,
                temperature=0.0,
                stop=() if by_logprobs else tuple(prompt.stop),
                logprobs=TOP_LOGPROBS if by_logprobs else None,
            )

    for result in client.complete(requests()):
        record = sent.popleft()
        if result.error is not None:
            yield record, failures.note(result)
        else:
            drop = weigh(result.choices) if by_logprobs else vote(result.choices)
            yield record, drop or Keep(with_lineage(record, "judge", **origin))


def judge_file(
    rows: str | Path,
    client: Client,
    settings: JudgeConfig,
    identity: str,
    *,
    out: str | Path,
    dropped: str | Path | None,
    max_failed_share: float,
) -> StepCounts:
    """Keep the seeds that the model judges well documented; return the counts of the step.

    Args:
        rows: JSON Lines file of seeds.
        client: client of the judging model.
        settings: settings of the judge.
        identity: identity of the judging model, for the lineage.
        out: JSON Lines file of the kept seeds.
        dropped: JSON Lines file of the dropped seeds, with their reasons; None writes none.
        max_failed_share: largest share of requests that may fail permanently, from 0 to 1.

    Raises:
        InfrastructureError: more than `max_failed_share` of the requests failed permanently, or all were rejected.
    """
    prompt = load_prompt(settings.prompt)
    failures = Failures("judge", max_failed_share)
    with StepWriter("judge", out=out, dropped=dropped) as writer:
        for record, outcome in judge(read_seeds(rows), client, prompt, settings, identity, failures=failures):
            writer.put(record, outcome)
        failures.check(writer.counts.records_in)
    return writer.counts


def judge_unit(
    config: Config,
    rows: str | Path,
    checkpoint: str | Path | None,
    *,
    out: str | Path,
    dropped: str | Path,
    counts: str | Path,
) -> None:
    """Judge the seeds of one unit with the configured model.

    Args:
        config: configuration of the run.
        rows: JSON Lines file of seeds.
        checkpoint: directory of the model's checkpoint; None if an external server has it.
        out: JSON Lines file of the kept seeds.
        dropped: JSON Lines file of the dropped seeds, with their reasons.
        counts: JSON file of the counts of the step.

    Raises:
        InfrastructureError: the server does not start, or too many requests failed.
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


def _first_token(logprobs: Any) -> Mapping[str, float] | None:
    """Return the first token's likeliest alternatives out of the completions endpoint's answer."""
    top = (logprobs or {}).get("top_logprobs") if isinstance(logprobs, Mapping) else None
    return top[0] if top else None
