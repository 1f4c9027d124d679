"""From records to requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfalign.client.types import Request
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.jsonl import Record, read_numbered
from selfalign.core.prompt_template import PromptTemplate
from selfalign.generate.prompts import Prompt, PromptBuilder


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are sampled: the same for every record of a stage.

    Raises:
        ConfigError: several samples are asked for at temperature 0.
    """

    n: int
    temperature: float
    max_tokens: int
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        if self.n > 1 and self.temperature == 0:
            raise ConfigError(f"n is {self.n}: at temperature 0 the same answer would come {self.n} times")


# The settings of the reference, by stage: the defaults of the stages run alone.
REFERENCE_FEW_SHOTS = {"concepts": 8, "instructions": 8, "responses": 1}
REFERENCE_SAMPLING = {
    "concepts": Sampling(1, 0.7, 1536),
    "instructions": Sampling(1, 0.7, 1536),
    "responses": Sampling(10, 0.7, 1536),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """A record, its place and its prompt."""

    index: int
    record: Record
    prompt: Prompt

    def request(self, sampling: Sampling, prompt_template: PromptTemplate) -> Request:
        """Return the request that asks for this record's answers; `prompt_template` says where and why they end."""
        return Request(
            key=f"record {self.index}",
            prompt=self.prompt.text,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            n=sampling.n,
            seed=self.prompt.seed,
            stop=tuple(prompt_template.stop),
            extra={"frequency_penalty": sampling.frequency_penalty} if sampling.frequency_penalty else {},
            finished=(*prompt_template.finish_reasons, "length"),
        )


def read_asks(path: str | Path, builder: PromptBuilder) -> Iterator[Ask]:
    """Yield every record of `path` with its prompt.

    A record's index is its ``index`` field if it has one, else its place in the file, from 0.

    Raises:
        DataError: names file, line and field of a record that cannot be asked about.
    """
    for place, (number, record) in enumerate(read_numbered(path)):
        index: Any = record.get("index", place)
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise DataError("expected an integer from 0", file=path, record=number, field="index")
        try:
            yield Ask(index, record, builder.build(record, index))
        except DataError as error:
            raise DataError(error.expected, file=path, record=number, field=error.field) from None
