"""What of a benchmark is looked for: runs of words of its prompts, solutions and tests.

A text's words are its runs of letters, digits and underscores in lower case; layout, punctuation and case do
not count. A part of a task with at least `ngram` words gives every run of that many (13 words: Brown et al.
2020, "Language Models are Few-Shot Learners", appendix C); a shorter one is looked for whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from selfalign.benchmarks import Benchmark, Task
from selfalign.core.config.contamination import GENERIC_ONE_LINERS

NGRAM = 13

# A part with fewer words says nothing; an assertion with few is anybody's (`assert add(2, 3) == 5`).
LEAST_WORDS = {"prompt": 5, "solution": 3, "test": 8}

# Runs with fewer words that are no numbers (1, 2, 3, ...) occur everywhere.
LEAST_NOT_NUMBERS = 2

# What HumanEval's tests call the function that they are given.
CANDIDATE = re.compile(r"\bcandidate\b")

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sequence of words and where it comes from.

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
    """Return the words of `text` (letters, digits, underscores), lower-cased, joined by single spaces."""
    return " ".join(_WORD.findall(text.lower()))


def patterns_of(
    benchmark: Benchmark, ngram: int = NGRAM, exempt: Collection[str] = GENERIC_ONE_LINERS
) -> Iterator[Pattern]:
    """Yield the patterns of a benchmark in the order of its tasks; repeated ones are left to the index.

    Args:
        ngram: words in a row that count as overlap.
        exempt: texts that never count, whichever task they are of.
    """
    exempt_words = {words_of(text) for text in exempt}
    name = f"{benchmark.name} {benchmark.version}"
    for task in benchmark.tasks:
        for part, text in _texts(task):
            sequence = words_of(text)
            words = sequence.split()
            if sequence in exempt_words or len(words) < LEAST_WORDS[part]:
                continue
            for start in range(max(1, len(words) - ngram + 1)):
                run = words[start : start + ngram]
                if sum(not word.isdigit() for word in run) >= LEAST_NOT_NUMBERS:
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
    """Return the prose of a prompt: the text of its last docstring before any example, else all of it."""
    docstrings = re.findall(r'("""|\'\'\')(.*?)\1', prompt, flags=re.DOTALL)
    text = docstrings[-1][1] if docstrings else prompt
    return re.split(r">>>|\n\s*assert |\bexamples?\s*:", text, maxsplit=1, flags=re.IGNORECASE)[0]
