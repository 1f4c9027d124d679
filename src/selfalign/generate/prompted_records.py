"""Records with their prompts, and their requests."""

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
    """Sampling parameters, the same for every record of a stage.

    Attributes:
        n: samples per request.
        temperature: sampling temperature; 0 is greedy.
        max_tokens: longest completion, in tokens.
        frequency_penalty: frequency penalty of the completions API.

    Raises:
        ConfigError: several samples are requested at temperature 0.
    """

    n: int
    temperature: float
    max_tokens: int
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        if self.n > 1 and self.temperature == 0:
            raise ConfigError(
                f"n is {self.n}, but at temperature 0 all samples are equal; set n to 1 or raise the temperature"
            )


# The reference's settings by stage, the defaults of the commands `generate` and `prompts`.
REFERENCE_SAMPLING = {
    "concepts": Sampling(1, 0.7, 1536),
    "instructions": Sampling(1, 0.7, 1536),
    "responses": Sampling(10, 0.7, 1536),
}


@dataclass(frozen=True, slots=True)
class PromptedRecord:
    """A record with its prompt.

    Attributes:
        index: index of the record in the whole input, from 0.
        record: the record.
        prompt: its prompt.
    """

    index: int
    record: Record
    prompt: Prompt

    def request(self, sampling: Sampling, prompt_template: PromptTemplate) -> Request:
        """Return the request for this record's completions.

        Args:
            sampling: sampling parameters.
            prompt_template: has the stop strings and the accepted finish reasons.
        """
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
            # The system text is the same for all records of a stage.
            prefix=",".join(map(str, self.prompt.examples)),
        )


def read_prompted_records(path: str | Path, builder: PromptBuilder) -> Iterator[PromptedRecord]:
    """Yield every record of a file with its prompt.

    A record's index is its ``index`` field if it has one, else its position in the file, from 0.

    Args:
        path: JSON Lines.
        builder: builds the prompts.

    Raises:
        DataError: a prompt cannot be built; names the file, the line and the field.
    """
    for position, (number, record) in enumerate(read_numbered(path)):
        index: Any = record.get("index", position)
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise DataError("expected an integer of at least 0", file=path, record=number, field="index")
        try:
            yield PromptedRecord(index, record, builder.build(record, index))
        except DataError as error:
            raise DataError(error.expected, file=path, record=number, field=error.field) from None
