"""Prompts for benchmark tasks, and extraction of the solution from a completion. The definition has the texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selfalign.benchmarks import Benchmark, Task
from selfalign.benchmarks.definition import ChatLayout, PlainLayout
from selfalign.core.chat import inference_prompt
from selfalign.core.errors import DataError

FENCE = "```"
BY_STDIN = "Read from standard input and write to standard output. Answer with one Python program in a fence."
BY_STARTER = "Complete this code and answer with the whole of it in a fence:\n```python\n{starter_code}\n```"


Render = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class TaskFormat:
    """Formats the tasks of a benchmark as prompts, and extracts solutions from completions.

    Attributes:
        layout: the layout of the benchmark's definition.
        render: builds the prompt from an instruction and the beginning of the response, for the chat layout.
    """

    layout: PlainLayout
    render: Render = inference_prompt

    def prompt(self, task: Task) -> str:
        """Return the prompt of a task.

        Args:
            task: task of the benchmark.
        """
        fields = _fields(task)
        text = self.layout.prompt.format_map(fields)
        if isinstance(self.layout, ChatLayout):
            prefix = self.layout.response_prefix.format_map(fields)
            return self.render(text, prefix.rstrip() if self.layout.trim else prefix)
        return text.rstrip() if self.layout.trim else text

    def solution(self, task: Task, completion: str) -> str:
        """Return the solution in a completion.

        Args:
            task: task of the benchmark.
            completion: text that the model wrote after the prompt.
        """
        if self.layout.solution == "fenced":
            return last_fenced(completion)
        code = completion.partition(FENCE)[0] if isinstance(self.layout, ChatLayout) else completion
        return task.beginning + code if self.layout.solution == "prompt+completion" else code


def build_task_format(benchmark: Benchmark, layout: str, render: Render = inference_prompt) -> TaskFormat:
    """Return the format of a benchmark's tasks.

    Args:
        benchmark: a loaded benchmark.
        layout: prompt layout, ``plain`` or ``chat``.
        render: builds the prompts of the chat layout.
    """
    definition = benchmark.definition
    return TaskFormat(definition.chat if layout == "chat" else definition.base, render)


def checkpoint_template(checkpoint: str | Path, revision: str | None = None) -> Render:
    """Return a function that renders prompts with the chat template of a checkpoint.

    Args:
        checkpoint: directory with the tokenizer, or model id on the hub.
        revision: commit on the hub; None: the default branch.

    Raises:
        DataError: the tokenizer has no chat template.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(checkpoint), revision=revision)
    if not tokenizer.chat_template:
        raise DataError(
            "expected a chat template in the tokenizer; set 'evaluation.base_layout: plain' to do without",
            file=checkpoint,
        )

    def render(instruction: str, response_prefix: str) -> str:
        messages = [{"role": "user", "content": instruction}]
        # Some templates open the assistant's turn only on request; the others ignore the argument.
        opened = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return f"{opened}{response_prefix}"

    return render


def last_fenced(text: str) -> str:
    """Return the last fenced code block, which may be unclosed, or the whole text if it has no fence.

    Args:
        text: a completion.
    """
    parts = re.split(r"^```[^\n]*\n?", text, flags=re.MULTILINE)
    if len(parts) == 1:
        return text
    return parts[-2] if len(parts) % 2 else parts[-1]


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
