"""Sanitisation of responses: mode "raw" keeps the section tags, mode "smart" makes the final text.

One random generator serves all rows, in order, so the result for a row depends on the rows before it and a mode is one
job. Random numbers are drawn exactly where the reference draws them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from selfalign.core.chat import ChatFormat, load_tokenizer
from selfalign.core.code_blocks import iter_blocks
from selfalign.core.config.curation import LengthConfig
from selfalign.core.config.training import ChatLayout
from selfalign.core.errors import ConfigError
from selfalign.core.filtering import Drop, Filter, Keep, Outcome, StepCounts, apply_filters
from selfalign.core.instructions import PASS_THE_FOLLOWING
from selfalign.core.jsonl import Record
from selfalign.core.lineage import with_transformation
from selfalign.core.prompt_template import ResponseLayout
from selfalign.curate.rows import File, log_counts
from selfalign.curate.sections import PUBLISHED_LAYOUT, validate_sections

Mode = Literal["raw", "smart"]

UNFINISHED = (
    "todo",
    "fixme",
    "write your code here",
    "your code here",
    "your code goes here",
    "notimplemented",
)
MAX_ASSERTIONS = 5


def sanitize_file(
    mode: Mode | None,
    rows: Iterable[Record],
    out: File,
    dropped: File | None = None,
    *,
    seed: int = 0,
    response_layout: ResponseLayout = PUBLISHED_LAYOUT,
    length: LengthConfig | None = None,
    max_length: int | None = None,
    checkpoint: File | None = None,
    layout: ChatLayout = "own",
) -> StepCounts:
    """Sanitise responses. Constant memory.

    Args:
        mode: ``raw`` or ``smart``; None for rows whose texts are final, of which only the length is checked.
        rows: rows with instruction and response, as one sequence.
        out: JSON Lines file of the sanitised rows.
        dropped: JSON Lines file of the dropped rows, with their reasons; None writes none.
        seed: seed of the random generator.
        response_layout: layout of the responses.
        length: limits on the length of the result, in tokens; None sets none.
        max_length: maximum length of a row of the training, in tokens, within which a prompt must leave room for a
            response; None: any prompt.
        checkpoint: directory of the model whose tokenizer counts the tokens.
        layout: prompt layout of the training, in which they are counted.

    Raises:
        ConfigError: `length` or `max_length` sets a limit, and `checkpoint` is None.
        DataError: the tokenizer cannot be read, or has no chat template.
    """
    chain = sanitize_chain(
        mode,
        seed=seed,
        response_layout=response_layout,
        length=length,
        max_length=max_length,
        checkpoint=checkpoint,
        layout=layout,
    )
    step = "length" if mode is None else f"sanitize_{mode}"
    return log_counts(apply_filters(step, rows, chain, out, dropped))


def sanitize_chain(
    mode: Mode | None,
    *,
    seed: int,
    response_layout: ResponseLayout,
    length: LengthConfig | None,
    max_length: int | None,
    checkpoint: File | None,
    layout: ChatLayout,
) -> list[Filter]:
    """Return the filters that sanitise rows and check their length.

    The arguments and errors are those of :func:`sanitize_file`.
    """
    chain = [] if mode is None else [sanitizer(mode, seed, response_layout)]
    if max_length is not None or (length is not None and length.limited):
        if checkpoint is None:
            raise ConfigError("a length in tokens needs the directory of the model whose tokenizer counts")
        chain.append(length_filter(length or LengthConfig(), checkpoint, layout, max_length))
    return chain


def sanitizer(mode: Mode, seed: int = 0, layout: ResponseLayout = PUBLISHED_LAYOUT) -> Filter:
    """Return the filter that sanitises rows, with its own random generator.

    Args:
        mode: ``raw`` or ``smart``.
        seed: seed of the generator.
        layout: layout of the responses.
    """
    steps: dict[str, Callable[[Record, ResponseLayout, random.Random, list[str]], Outcome]] = {
        "raw": _raw,
        "smart": _smart,
    }
    generator = random.Random(seed)
    step = steps[mode]

    def sanitize(record: Record) -> Outcome:
        done: list[str] = []
        outcome = step(record, layout, generator, done)
        if isinstance(outcome, Drop):
            return outcome
        row = with_transformation(outcome.record, f"sanitize:{mode}")
        for change in done:
            row = with_transformation(row, f"sanitize:{mode}:{change}")
        return Keep(row)

    return sanitize


def _raw(record: Record, layout: ResponseLayout, generator: random.Random, _: list[str]) -> Outcome:
    checked = validate_sections(record["response"], layout)
    if isinstance(checked, Drop):
        return checked
    sections, code = checked
    _draw_assertions(code, generator)
    return Keep({**record, "response": sections.tagged()})


def _smart(record: Record, layout: ResponseLayout, generator: random.Random, done: list[str]) -> Outcome:
    checked = validate_sections(record["response"], layout)
    if isinstance(checked, Drop):
        return checked
    sections, code = checked
    instruction: str = record["instruction"]
    # The reference draws for the explanation before it draws for the reasoning.
    left_out = {tag for tag in reversed(layout.prose) if generator.random() < 0.5}
    if "test" not in instruction.lower():
        left_out.add(layout.tests)
    if _is_unfinished(record["response"]):
        return Drop("unfinished")
    done += [_left_out_name(tag) for tag in layout.sections if tag in left_out]
    response = sections.without(*left_out)
    text, name = _draw_assertions(code, generator)
    if _may_augment(text) and generator.random() < 0.5 and _lacks_example(instruction):
        instruction = f"{instruction}{PASS_THE_FOLLOWING}{name}:\n```python\n{text.strip()}\n```"
        done.append("with_assertions")
    bare = remove_comments(response)
    if bare != response:
        done.append("without_comments")
    return Keep({**record, "instruction": instruction, "response": bare})


def sanitize_like(row: Record, response: str, layout: ResponseLayout = PUBLISHED_LAYOUT) -> Outcome:
    """Sanitise another response to the instruction of a row with the same sections as the row.

    Args:
        row: row after both passes, whose lineage names the sections that were left out.
        response: text of the other response, as generated.
        layout: layout of the responses.

    Returns:
        the row with the other response, or the drop of one of the passes.
    """
    checked = validate_sections(response, layout)
    if not isinstance(checked, Drop):
        checked = validate_sections(checked[0].tagged(), layout)
    if isinstance(checked, Drop):
        return checked
    sections, _ = checked
    if _is_unfinished(sections.tagged()):
        return Drop("unfinished")
    done = row.get("lineage", {}).get("transformations", [])
    left_out = [tag for tag in layout.sections if f"sanitize:smart:{_left_out_name(tag)}" in done]
    return Keep({**row, "response": remove_comments(sections.without(*left_out))})


def _left_out_name(tag: str) -> str:
    """Return the name of the transformation that leaves out a section."""
    return f"without_{tag.strip('[]<>').lower()}"


def _is_unfinished(response: str) -> bool:
    lowered = response.lower()
    return any(word in lowered for word in UNFINISHED)


def _draw_assertions(code: str, generator: random.Random) -> tuple[str, str]:
    """Return the assertions drawn from a test block, and the noun for them in the instruction."""
    lines = code.split("\n")
    if not all(line.startswith("assert") for line in lines):
        return code, "test case"
    wanted = generator.choice([1, 2, 3, 4, 5])
    drawn = generator.sample(lines, k=min(wanted, len(lines)))
    return "\n".join(drawn), "assertion" if len(drawn) == 1 else "assertions"


def _may_augment(text: str) -> bool:
    return "assert" in text and len(text.split("\n")) <= MAX_ASSERTIONS


def _lacks_example(instruction: str) -> bool:
    lowered = instruction.lower()
    return not ("assert" in instruction or "for example" in lowered or "test" in lowered)


def remove_comments(text: str) -> str:
    """Remove whole-line comments from all fenced blocks.

    A blank line before a comment is removed with it, unless it is the first of its block.

    Args:
        text: Markdown text.
    """
    pieces: list[str] = []
    position = 0
    for block in iter_blocks(text):
        pieces += [text[position : block.start], _without_comments(text[block.start : block.end])]
        position = block.end
    return "".join([*pieces, text[position:]])


def _without_comments(code: str) -> str:
    lines = code.split("\n")
    kept: list[str] = []
    index = 0
    while index < len(lines):
        following = lines[index + 1].lstrip() if index + 1 < len(lines) else ""
        if index > 0 and not lines[index].strip() and following.startswith("#"):
            index += 2
        elif lines[index].lstrip().startswith("#"):
            index += 1
        else:
            kept.append(lines[index])
            index += 1
    return "\n".join(kept)


def length_filter(
    settings: LengthConfig, checkpoint: str | Path, layout: ChatLayout, max_length: int | None = None
) -> Filter:
    """Return the filter that drops examples with too few or too many tokens, counted as for training.

    Args:
        settings: limits, in tokens.
        checkpoint: directory of the model whose tokenizer counts the tokens.
        layout: prompt layout of the training.
        max_length: maximum length of a row of the training; None: any prompt is kept.

    Raises:
        DataError: the tokenizer cannot be read, or has no chat template.
    """
    chat = ChatFormat(load_tokenizer(checkpoint), layout, checkpoint)

    def check(record: Record) -> Outcome:
        prompt = len(chat.prompt_ids(record["instruction"]))
        if max_length is not None and prompt >= max_length:
            return Drop("instruction_too_long", {"tokens": prompt})
        tokens = prompt + len(chat.response_ids(record["response"]))
        if settings.min_tokens is not None and tokens < settings.min_tokens:
            return Drop("too_short", {"tokens": tokens})
        if settings.max_tokens is not None and tokens > settings.max_tokens:
            return Drop("too_long", {"tokens": tokens})
        return Keep(record)

    return check
