"""The instruction filter: drop instructions that are not worth a response, before responses are generated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from selfalign.core.filtering import Drop, Filter, Keep, Outcome, StepCounts, StepWriter
from selfalign.core.jsonl import Record, read_jsonl
from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
from selfalign.generate.few_shots import load_few_shots

# `name(parameters)`, or "class `Name`", whose parameters may be anywhere.
_FUNCTION = re.compile(r"`(?:def )?([A-Za-z_]\w*)\(([^`]*)\)`")
_CLASS = re.compile(r"\bclass `([A-Za-z_]\w*)`")


def filter_instructions(
    earlier: Iterable[str | Path],
    source: str | Path,
    out: str | Path,
    dropped: str | Path | None = None,
    *,
    prompt_template: str | Path,
    few_shots: str | Path,
    min_words: int = 8,
) -> StepCounts:
    """Filter the instructions of one shard; the first of several similar instructions in the order of shards is kept.

    The result depends on this shard and on those before it, so that more shards do not change it.

    Args:
        earlier: JSON Lines files of the shards before this one, in order, not filtered.
        source: JSON Lines file of the shard.
        out: JSON Lines file of the kept records.
        dropped: JSON Lines file of the dropped records, with their reasons; None writes none.
        prompt_template: name or file of the prompt template.
        few_shots: few-shot file, whose instructions must not be copied.
        min_words: minimum length of an instruction, in words.

    Raises:
        ConfigError: the prompt template is unknown or wrong.
        DataError: the few-shot file does not have the prompt template's layout.
    """
    layout = load_prompt_template(find_prompt_template(prompt_template))
    examples = load_few_shots(few_shots, layout).examples
    usable = instruction_filter([each.sections["instruction"] for each in examples], min_words)
    for path in earlier:
        for record in read_jsonl(path):
            usable(record)
    with StepWriter("usable", out=out, dropped=dropped) as writer:
        for record in read_jsonl(source):
            writer.put(record, usable(record))
    return writer.counts


def instruction_filter(examples: Sequence[str], min_words: int = 8) -> Filter:
    """Return the filter of instructions, which remembers the instructions that it kept.

    It drops an instruction that is shorter than `min_words` (``too_short``), that names no function with its
    parameters and no class (``names_nothing``), that has the text of an example or names the same function
    (``copies_example``), or that has the words of a kept instruction or names the same function (``repeated``).

    Args:
        examples: instructions of the few-shot examples.
        min_words: minimum length of an instruction, in words.
    """
    copied = {key for text in examples for key in _keys(text)}
    seen: set[str] = set()

    def usable(record: Record) -> Outcome:
        text: str = record["instruction"]
        if len(text.split()) < min_words:
            return Drop("too_short")
        if named_function(text) is None:
            return Drop("names_nothing")
        keys = _keys(text)
        if keys & copied:
            return Drop("copies_example")
        if keys & seen:
            return Drop("repeated")
        seen.update(keys)
        return Keep(record)

    return usable


def named_function(instruction: str) -> str | None:
    """Return the name of the first function with parameters, or of the class, that an instruction asks for.

    Args:
        instruction: text, with code in backticks.
    """
    function = next((name for name, parameters in _FUNCTION.findall(instruction) if parameters.strip()), None)
    if function is not None:
        return function
    found = _CLASS.search(instruction)
    return found[1] if found else None


def _keys(instruction: str) -> set[str]:
    """Return what must not occur twice: the words, without case and punctuation, and the name of the function."""
    words = " ".join(re.findall(r"\w+", instruction.lower()))
    name = named_function(instruction)
    return {words} if name is None else {words, f"`{name}`"}
