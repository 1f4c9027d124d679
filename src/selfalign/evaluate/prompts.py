"""Prompts for benchmark tasks, and extraction of the solution from a completion. The definition has the texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selfalign.benchmarks import Benchmark, Task
from selfalign.benchmarks.definition import ChatLayout, PlainLayout
from selfalign.core.chat import ChatFormat

FENCE = "```"
PYTHON_FENCE = "```python"
BY_STDIN = "Read from standard input and write to standard output. Answer with one Python program in a fence."
BY_STARTER = "Complete this code and answer with the whole of it in a fence:\n```python\n{starter_code}\n```"


@dataclass(frozen=True, slots=True)
class TaskFormat:
    """Formats the tasks of a benchmark as prompts, and extracts solutions from completions.

    Attributes:
        layout: the layout of the benchmark's definition.
        chat: encodes the prompts of a chat layout; None for plain completion.
        token_ids: send the prompts of a chat layout as token ids, otherwise as text.
    """

    layout: PlainLayout
    chat: ChatFormat | None = None
    token_ids: bool = True

    def prompt(self, task: Task) -> str | tuple[int, ...]:
        """Return the prompt of a task as the server is sent it: text, or token ids.

        Args:
            task: task of the benchmark.
        """
        text, prefix = self.parts(task)
        if self.chat is None:
            return text
        return (
            tuple(self.chat.prompt_ids(text, prefix))
            if self.token_ids
            else self.chat.prompt_text(text, prefix)
        )

    def parts(self, task: Task) -> tuple[str, str]:
        """Return the instruction of a task and the beginning of the response; the prompt and "" for plain completion.

        Args:
            task: task of the benchmark.
        """
        fields = _fields(task)
        text = self.layout.prompt.format_map(fields)
        if not isinstance(self.layout, ChatLayout):
            return (text.rstrip() if self.layout.trim else text), ""
        prefix = self.layout.response_prefix.format_map(fields)
        return text, prefix.rstrip() if self.layout.trim else prefix

    def request_fields(self) -> dict[str, Any]:
        """Return the fields of a request that the prompt's layout needs, beside the stop strings."""
        if self.chat is None:
            return {}
        # The text has all special tokens, so the server must not add a beginning-of-sequence token.
        fields: dict[str, Any] = {} if self.token_ids else {"add_special_tokens": False}
        if ends := self.chat.stop_token_ids:
            fields["stop_token_ids"] = ends
        return fields

    def solution(self, task: Task, completion: str) -> str:
        """Return the solution in a completion.

        Args:
            task: task of the benchmark.
            completion: text that the model wrote after the prompt.
        """
        if extract := _EXTRACTIONS.get(self.layout.solution):
            return extract(completion)
        code = completion.partition(FENCE)[0] if isinstance(self.layout, ChatLayout) else completion
        return task.beginning + code if self.layout.solution == "prompt+completion" else code


def build_task_format(
    benchmark: Benchmark, chat: ChatFormat | None = None, *, token_ids: bool = True
) -> TaskFormat:
    """Return the format of a benchmark's tasks.

    Args:
        benchmark: a loaded benchmark.
        chat: encodes the prompts of a chat layout; None: plain completion.
        token_ids: send the prompts of a chat layout as token ids, otherwise as text.
    """
    definition = benchmark.definition
    return TaskFormat(definition.plain if chat is None else definition.chat, chat, token_ids)


def last_fenced(text: str) -> str:
    """Return the last fenced code block: the lines between the last two lines that have a fence anywhere.

    This is LiveCodeBench's own extraction (``extract_code``), which finds nothing in other texts. Here a text with one
    such line is a block that was cut, and a text without any is all code.

    Args:
        text: a completion.
    """
    lines = text.splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if FENCE in line]
    if len(fences) > 1:
        return "".join(lines[fences[-2] + 1 : fences[-1]])
    return "".join(lines[fences[0] + 1 :]) if fences else text


def last_assertion(text: str) -> str:
    """Return the last line that begins with ``assert``, or else the first fenced code block, preferably one of Python.

    This is the extraction of LiveCodeBench's test-output prediction.

    Args:
        text: a completion.
    """
    lines = text.split("\n")
    if assertions := [line for line in lines if line.startswith("assert")]:
        return assertions[-1]
    fences = [number for number, line in enumerate(lines) if FENCE in line]
    opening = next((number for number in fences if PYTHON_FENCE in lines[number].lower()), None)
    if opening is not None:
        fences = [number for number in fences if number >= opening]
    return "\n".join(lines[fences[0] + 1 : fences[1]]) if len(fences) > 1 else ""


def answered_value(text: str) -> str:
    """Return the right side of the assertion between ``[ANSWER]`` and ``[/ANSWER]``; of the first line if it has no end.

    This is the extraction of LiveCodeBench's code execution with reasoning. A value that contains ``==`` is cut there.

    Args:
        text: a completion.
    """
    for mark in ("[ANSWER]", "=="):
        if mark in text:
            text = text.split(mark)[1].strip()
    end = "[/ANSWER]" if "[/ANSWER]" in text else "\n"
    return text.split(end)[0].strip()


_EXTRACTIONS = {"fenced": last_fenced, "assertion": last_assertion, "value": answered_value}


def _fields(task: Task) -> dict[str, str]:
    fields = {name: value for name, value in task.record.items() if isinstance(value, str)}
    fields["prompt"] = task.prompt
    docstring = task.prompt.strip().strip('"').strip()
    description, _, assertion = docstring.partition("\nassert ")
    fields["description"] = description.strip().rstrip(".")
    fields["assertion"] = f"assert {assertion}".strip()
    if "question_content" in fields:
        fields["question_content_commented"] = fields["question_content"].replace("\n", "\n# ")
        starter = fields.get("starter_code", "")
        fields["format_request"] = BY_STARTER.format(starter_code=starter) if starter else BY_STDIN
    return fields
