"""Prompts: system text, worked examples, and the record's question.

`faithful` draws the examples of a record from a generator of its own; `grouped` draws one of a few fixed
permutations, so that a server with prefix caching computes each prefix once. Either way a record's prompt
depends on its index and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from selfalign.core.errors import ConfigError, DataError
from selfalign.core.prompt_template import Part, PromptTemplate
from selfalign.generate.fewshots import Example, FewShots

Selection = Literal["faithful", "grouped"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A record's prompt.

    Attributes:
        text: what is sent.
        seed: the request's sampling seed.
        group: which fixed permutation opens it (mode grouped), or 0.
        examples: numbers of the examples in it, in order.
        drawn: properties drawn for the record, by name.
    """

    text: str
    seed: int
    group: int
    examples: tuple[int, ...]
    drawn: dict[str, str]


class PromptBuilder:
    """Makes the prompts of one mode.

    Args:
        mode: name of the prompt template's mode, such as ``S->C``.
        num_few_shots: examples in a prompt.
        seed: record `i`'s generator and request are seeded with ``seed + i``.
        permutations: number of fixed permutations of `grouped`.
        numbers: use only these examples of the file, by number; None: all.

    Raises:
        ConfigError: the prompt template has no such mode, or the file fewer usable examples than asked for.
    """

    def __init__(
        self,
        prompt_template: PromptTemplate,
        few_shots: FewShots,
        mode: str,
        *,
        num_few_shots: int,
        seed: int = 3407,
        selection: Selection = "faithful",
        permutations: int = 1,
        numbers: Sequence[int] | None = None,
    ) -> None:
        self.prompt_template = prompt_template
        mode = prompt_template.mode_named(mode)
        self.layout = prompt_template.modes[mode]
        if mode not in few_shots.system:
            header = prompt_template.few_shots.system_header.format(mode=mode)
            raise ConfigError(f"mode '{mode}': the few-shot file has no text under '{header}'; add one")
        self._system = few_shots.system[mode]
        self._examples = few_shots.usable(self.layout.needs, numbers)
        if num_few_shots > len(self._examples):
            raise ConfigError(
                f"mode '{mode}': {num_few_shots} few-shots asked for, but the file has {len(self._examples)} that may be used"
            )
        self._k = num_few_shots
        self._seed = seed
        # A generator seeded with a string: independent of every record's, which are seeded with integers.
        self._fixed = [
            random.Random(f"{seed}/{mode}/{number}").sample(self._examples, k=num_few_shots)
            for number in range(permutations if selection == "grouped" else 0)
        ]
        self._fixed_prefixes = [self._prefix(examples) for examples in self._fixed]

    def settings(self) -> dict[str, Any]:
        """Return what decides the prompts besides the prompt template and the few-shot file, as JSON values."""
        return {
            "stage": self.layout.stage,
            "examples": [example.number for example in self._examples],
            "num_few_shots": self._k,
            "seed": self._seed,
            "permutations": [[example.number for example in fixed] for fixed in self._fixed],
        }

    def build(self, record: dict[str, Any], index: int) -> Prompt:
        """Return the prompt of `record`, number `index` of the whole input (from 0).

        Raises:
            DataError: the record lacks the field the mode asks about, or it has another type.
        """
        generator = random.Random(self._seed + index)
        drawn = {draw.property: generator.choice(draw.choices) for draw in self.layout.draws}
        if self._fixed:
            group = generator.randrange(len(self._fixed))
            examples = self._fixed[group]
        else:
            group = 0
            examples = generator.sample(self._examples, k=self._k)
        prefix = self._prefix(examples) if not self._fixed else self._fixed_prefixes[group]
        text = (prefix + self._query(record, drawn)).rstrip()
        return Prompt(text, self._seed + index, group, tuple(e.number for e in examples), drawn)

    def _prefix(self, examples: Sequence[Example]) -> str:
        blocks = [self._render(n, example) for n, example in enumerate(examples, start=1)]
        return "\n\n".join([self._system, *blocks, ""])

    def _render(self, number: int, example: Example) -> str:
        query, answer = self.layout.query, self.layout.answer
        return "\n".join(
            [
                self.prompt_template.prompt_example_header.format(number=number),
                query.header,
                _value(query, example),
                "",
                answer.header,
                _value(answer, example),
            ]
        )

    def _query(self, record: dict[str, Any], drawn: dict[str, str]) -> str:
        return "\n".join(
            [
                self.prompt_template.prompt_example_header.format(number=self._k + 1),
                self.layout.query.header,
                self._asked(record, drawn),
                "",
                self.layout.answer.header,
            ]
        )

    def _asked(self, record: dict[str, Any], drawn: dict[str, str]) -> str:
        part = self.layout.query
        name = part.field or ""
        value = record.get(name)
        listed = self.prompt_template.few_shots.list_property
        if name == listed:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise DataError("expected a list of strings", field=name)
            value = ", ".join(value)
        if not isinstance(value, str):
            raise DataError("expected a string", field=name)
        if part.properties is None:
            return value
        language = self.prompt_template.languages.get(
            record.get("data_dir", ""), self.prompt_template.default_language
        )
        known = {"language": language, listed: value, **drawn}
        return "\n".join(f"{each}: {known[each]}" for each in part.properties)


def _value(part: Part, example: Example) -> str:
    if part.section is not None:
        return example.sections[part.section]
    if part.template is not None:
        return part.template.format(**example.sections)
    if part.property is not None:
        return example.properties[part.property]
    return "\n".join(f"{name}: {example.properties[name]}" for name in part.properties or [])
