"""Canned completions of the test server, which depend only on prompt, seed and sample.

They let a tiny build produce data: most responses have the four sections and pass their own tests; a known share is wrong,
malformed or truncated, so that every filter drops something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """A family of tasks with one parameter `k`: description, implementation and examples."""

    stem: str
    concepts: str
    describe: str
    body: str
    example: Callable[[int], list[tuple[str, str]]]


TASKS = (
    Task(
        "add",
        "addition, function definition",
        "adds {k} to a number `x`",
        "x + {k}",
        lambda k: [("1", str(1 + k)), ("0", str(k))],
    ),
    Task(
        "times",
        "multiplication, return values",
        "multiplies a number `x` by {k}",
        "x * {k}",
        lambda k: [("2", str(2 * k)), ("0", "0")],
    ),
    Task(
        "every",
        "list slicing, step argument",
        "returns every item of a list `x` whose position is a multiple of {k}",
        "x[::{k}]",
        lambda k: [(str([*range(5)]), str([*range(5)][::k])), ("[]", "[]")],
    ),
    Task(
        "first",
        "list slicing, prefixes",
        "returns the first {k} items of a list `x`",
        "x[:{k}]",
        lambda k: [("[1, 2, 3]", str([1, 2, 3][:k])), ("[]", "[]")],
    ),
    Task(
        "over",
        "list comprehension, comparison",
        "keeps the numbers of a list `x` that are greater than {k}",
        "[number for number in x if number > {k}]",
        lambda k: [(f"[{k - 1}, {k + 1}]", f"[{k + 1}]"), ("[]", "[]")],
    ),
    Task(
        "pad",
        "string methods, padding",
        "pads a string `x` with zeros on the left to {k} characters",
        "x.zfill({k})",
        lambda k: [("'7'", repr("7".zfill(k))), ("''", repr("0" * k))],
    ),
    Task(
        "divides",
        "modulo operator, boolean expressions",
        "tells whether a whole number `x` is divisible by {k}",
        "x % {k} == 0",
        lambda k: [(str(2 * k), "True"), (str(k + 1), str((k + 1) % k == 0))],
    ),
    Task(
        "cap",
        "built-in functions, minimum",
        "limits a number `x` to at most {k}",
        "min(x, {k})",
        lambda k: [(str(k + 5), str(k)), ("-1", "-1")],
    ),
)


def complete(prompt: str, seed: int | None, index: int) -> str:
    """Return the canned completion of `prompt` for sample `index`."""
    digest = hashlib.sha256(f"{seed}/{index}/{prompt}".encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big")
    asked = prompt.rstrip()
    last = asked.rsplit("\n", 1)[-1]
    # In a conversation, the system text tells what is asked for.
    system = prompt.partition("<|im_end|>")[0] if last == "<|im_start|>assistant" else ""
    if last.startswith("### Concepts") or "concepts that each snippet" in system:
        return f"\n{TASKS[number % len(TASKS)].concepts}\n\n"
    if last.startswith("### Instruction") or "programming task" in system:
        return f"\n{_instruction(number)}\n\n"
    if last.startswith("### Response"):
        return f"\n{_response(prompt, number)}\n\n"
    if "Implement the function" in system:
        _, implementation, *_, tests = re.split(r"^(?=\[)", _response(prompt, number), flags=re.MULTILINE)[1:]
        return f"{implementation}{tests}"
    if re.search(r"\b[Yy]es\b.*\b[Nn]o\b", prompt, re.DOTALL) and len(last) < 20:
        return " Yes" if number % 8 else " No"
    return "\n    return None\n```\n" if "```" in prompt else "\n    return None\n"


def _instruction(number: int) -> str:
    task, k = TASKS[number % len(TASKS)], 2 + (number >> 8) % 96
    return f"Write a Python function `{task.stem}_{k}(x)` that {task.describe.format(k=k)}."


def _response(prompt: str, number: int) -> str:
    asked = re.findall(r"`([a-z]+)_(\d+)\(x\)`", prompt)
    named = {task.stem: task for task in TASKS}
    if asked and asked[-1][0] in named:
        task, k = named[asked[-1][0]], int(asked[-1][1])
    else:
        task, k = TASKS[number % len(TASKS)], 2 + (number >> 8) % 96
    name = f"{task.stem}_{k}"
    examples = task.example(k)
    fault = number % 10
    if fault == 0:
        examples = [(value, "'wrong'") for value, _ in examples]
    tests = "\n".join(f"assert {name}({value}) == {expected}" for value, expected in examples)
    # Two ways of writing it, so that responses to one instruction are not all the same.
    result = task.body.format(k=k)
    body = f"return {result}" if number % 2 else f"result = {result}\n    return result"
    sections = [
        f"[Reasoning]\nThe function takes one value. It {task.describe.format(k=k)} and needs no loop.",
        f"[Implementation]\n```python\ndef {name}(x):\n    {body}\n```",
        f"[Explanation]\n`{name}` {task.describe.format(k=k)} in one expression.",
        f"[Tests]\n```python\n{tests}\n```",
    ]
    if fault == 1:
        del sections[2]
    return "\n\n".join(sections)
