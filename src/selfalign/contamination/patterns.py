"""Contamination patterns: word n-grams of the prompts, solutions and tests of a benchmark.

Words are runs of letters, digits and underscores, in lower case; layout and punctuation are ignored. A part of a task with
at least `ngram` words gives all its n-grams (13 words: Brown et al. 2020, "Language Models are Few-Shot Learners",
appendix C); a shorter part is one pattern.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.config.contamination import GENERIC_ONE_LINERS

NGRAM = 13

# Shorter parts are not specific to a benchmark, such as `assert add(2, 3) == 5`.
MIN_WORDS = {"prompt": 5, "solution": 3, "test": 8}

# Patterns with fewer words that are no numbers, such as 1, 2, 3, are not specific either.
MIN_NON_NUMERIC_WORDS = 2

# Name of the tested function in the tests of HumanEval.
CANDIDATE = re.compile(r"\bcandidate\b")

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sequence of words of a benchmark.

    Attributes:
        words: the words, joined by single spaces.
        benchmark: name and version of the benchmark.
        task: id of the task.
        part: "prompt", "solution" or "test".
    """

    words: str
    benchmark: str
    task: str
    part: str


def words_of(text: str) -> str:
    """Return the words of a text in lower case, joined by single spaces.

    Args:
        text: any text.
    """
    return " ".join(_WORD.findall(text.lower()))


def patterns_of(
    benchmark: Benchmark, ngram: int = NGRAM, exempt: Collection[str] = GENERIC_ONE_LINERS
) -> Iterator[Pattern]:
    """Yield the patterns of a benchmark, in the order of its tasks; patterns may repeat.

    Args:
        benchmark: benchmark with its tasks.
        ngram: number of consecutive words that count as overlap.
        exempt: texts that never count as overlap.
    """
    exempt_words = {words_of(text) for text in exempt}
    name = f"{benchmark.name} {benchmark.version}"
    for task in benchmark.tasks:
        for part, text in _texts(task):
            sequence = words_of(text)
            words = sequence.split()
            if sequence in exempt_words or len(words) < MIN_WORDS[part]:
                continue
            for start in range(max(1, len(words) - ngram + 1)):
                run = words[start : start + ngram]
                if sum(not word.isdigit() for word in run) >= MIN_NON_NUMERIC_WORDS:
                    yield Pattern(" ".join(run), name, task.id, part)


def _texts(task: Task) -> Iterator[tuple[str, str]]:
    yield "prompt", description(task.prompt)
    yield "prompt", task.prompt
    yield "solution", task.canonical_solution
    for line in task.tests.split("\n"):
        if "assert" in line:
            yield "test", line
            if task.entry_point and CANDIDATE.search(line):
                yield "test", CANDIDATE.sub(task.entry_point, line)


def description(prompt: str) -> str:
    """Return the description in a prompt: its last docstring up to the first example; without docstring, the prompt.

    Args:
        prompt: prompt of a task.
    """
    docstrings = re.findall(r'("""|\'\'\')(.*?)\1', prompt, flags=re.DOTALL)
    text = docstrings[-1][1] if docstrings else prompt
    return re.split(r">>>|\n\s*assert |\bexamples?\s*:", text, maxsplit=1, flags=re.IGNORECASE)[0]
