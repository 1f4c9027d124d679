"""Prompts: a system text, few-shot examples, and the record's query.

With the selection `faithful`, each record's examples are sampled by a generator seeded for that record; with `grouped`,
each record gets one of a few fixed permutations, so that a server with prefix caching computes each prefix once. Either
way a record's prompt depends on the record and its index only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from selfalign.core.errors import ConfigError, DataError
from selfalign.core.prompt_template import Part, PromptTemplate, find_prompt_template, load_prompt_template
from selfalign.generate.few_shots import Example, FewShots, load_few_shots

Selection = Literal["faithful", "grouped"]
# Numbers of few-shot examples in the reference, by stage.
REFERENCE_FEW_SHOTS = {"concepts": 8, "instructions": 8, "responses": 1}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A record's prompt.

    Attributes:
        text: the prompt.
        seed: sampling seed of the request.
        group: number of the fixed permutation, from 0; 0 for every record with the selection `faithful`.
        examples: numbers of its few-shot examples, in order.
        drawn: properties drawn for the record, by name.
    """

    text: str
    seed: int
    group: int
    examples: tuple[int, ...]
    drawn: dict[str, str]


class PromptBuilder:
    """Builds the prompts of one mode.

    Args:
        prompt_template: the prompt template.
        few_shots: the parsed few-shot file.
        mode: name of the prompt template's mode, such as ``S->C``.
        num_few_shots: number of examples in a prompt.
        seed: generator and request of the record with index `i` are seeded with ``seed + i``.
        selection: how examples are selected, ``faithful`` or ``grouped``.
        permutations: number of fixed permutations with ``grouped``.
        numbers: numbers of the examples to choose from; None: all.

    Raises:
        ConfigError: the prompt template or the few-shot file has no such mode, or the file has too few usable examples.
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
            raise ConfigError(
                f"mode '{mode}': the few-shot file has no system text under '{header}'; add one"
            )
        self._system = few_shots.system[mode]
        self._examples = few_shots.usable(self.layout.needs, numbers)
        if num_few_shots > len(self._examples):
            raise ConfigError(
                f"mode '{mode}': expected {num_few_shots} few-shot examples, found {len(self._examples)} usable ones in the file"
            )
        self._k = num_few_shots
        self._seed = seed
        # Seeded with text, so that it differs from the generators of all records, which are seeded with integers.
        self._fixed = [
            random.Random(f"{seed}/{mode}/{number}").sample(self._examples, k=num_few_shots)
            for number in range(permutations if selection == "grouped" else 0)
        ]
        self._fixed_prefixes = [self._prefix(examples) for examples in self._fixed]

    def settings(self) -> dict[str, Any]:
        """Return all that determines the prompts beside the two files and the records, as JSON values."""
        return {
            "stage": self.layout.stage,
            "examples": [example.number for example in self._examples],
            "num_few_shots": self._k,
            "seed": self._seed,
            "permutations": [[example.number for example in fixed] for fixed in self._fixed],
        }

    def build(self, record: dict[str, Any], index: int) -> Prompt:
        """Return the prompt of a record.

        Args:
            record: the record.
            index: its index in the whole input, from 0.

        Raises:
            DataError: the field that the mode needs is missing or has another type.
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
        text = prefix + self._query(record, drawn)
        return Prompt(text, self._seed + index, group, tuple(e.number for e in examples), drawn)

    def _prefix(self, examples: Sequence[Example]) -> str:
        """Return what precedes the record's query: the system text and the examples."""
        if (turns := self.prompt_template.turns) is None:
            blocks = [self._render(n, example) for n, example in enumerate(examples, start=1)]
            return "\n\n".join([self._system, *blocks, ""])
        return turns.system.replace("{text}", self._system) + "".join(
            turns.user.replace("{text}", _value(self.layout.query, example))
            + turns.assistant.replace("{text}", _value(self.layout.answer, example))
            for example in examples
        )

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
        """Return the record's query, up to where the model continues."""
        value = self._query_value(record, drawn)
        if (turns := self.prompt_template.turns) is not None:
            return turns.user.replace("{text}", value) + turns.assistant.partition("{text}")[0]
        return "\n".join(
            [
                self.prompt_template.prompt_example_header.format(number=self._k + 1),
                self.layout.query.header,
                value,
                "",
                self.layout.answer.header,
            ]
        ).rstrip()

    def _query_value(self, record: dict[str, Any], drawn: dict[str, str]) -> str:
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
        values = {"language": language, listed: value, **drawn}
        return "\n".join(f"{each}: {values[each]}" for each in part.properties)


def _value(part: Part, example: Example) -> str:
    if part.section is not None:
        return example.sections[part.section]
    if part.template is not None:
        return part.template.format(**example.sections)
    if part.property is not None:
        return example.properties[part.property]
    return "\n".join(f"{name}: {example.properties[name]}" for name in part.properties or [])


def build_prompts(
    prompt_template: str | Path,
    few_shots: str | Path,
    mode: str,
    num_few_shots: int | None = None,
    *,
    seed: int = 3407,
    selection: str = "faithful",
    permutations: int = 1,
    numbers: Sequence[int] | None = None,
) -> PromptBuilder:
    """Load a prompt template and a few-shot file and return the prompt builder of a mode.

    Args:
        prompt_template: name or file of the prompt template.
        few_shots: the few-shot file.
        mode: name of the prompt template's mode (``S->C``), or of the stage that it is for (``concepts``).
        num_few_shots: number of examples in a prompt; None: that of the reference.
        seed: as of :class:`PromptBuilder`.
        selection: as of :class:`PromptBuilder`.
        permutations: as of :class:`PromptBuilder`.
        numbers: as of :class:`PromptBuilder`.

    Raises:
        ConfigError: a name is unknown, or the file has too few usable examples.
        DataError: the few-shot file does not have the prompt template's layout.
    """
    if selection not in get_args(Selection):
        raise ConfigError(f"selection: expected one of {', '.join(get_args(Selection))}, found '{selection}'")
    loaded = load_prompt_template(find_prompt_template(prompt_template))
    layout = loaded.modes[mode := loaded.mode_named(mode)]
    return PromptBuilder(
        loaded,
        load_few_shots(few_shots, loaded),
        mode,
        num_few_shots=REFERENCE_FEW_SHOTS[layout.stage] if num_few_shots is None else num_few_shots,
        seed=seed,
        selection=cast(Selection, selection),
        permutations=permutations,
        numbers=numbers,
    )
