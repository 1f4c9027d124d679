"""None of our few-shot examples is a task of HumanEval or MBPP."""

from __future__ import annotations

import re

import pytest

from selfalign.benchmarks import load_benchmark
from selfalign.core.prompt_template import find_prompt_template, load_prompt_template
from selfalign.generate.few_shots import load_few_shots

VERSIONS = [("humaneval_plus", "v0.1.10"), ("mbpp_plus", "v0.1.0"), ("mbpp_plus", "v0.2.0")]
WORDS_IN_A_ROW = 8


def word_runs(text):
    words = re.findall(r"[a-z0-9_]+", text.lower())
    return {tuple(words[i : i + WORDS_IN_A_ROW]) for i in range(len(words) - WORDS_IN_A_ROW + 1)}


def normal(name):
    return name.replace("_", "").lower()


def texts(tasks):
    return [task.prompt + "\n" + task.canonical_solution for task in tasks]


def all_examples(root):
    for template, file in (("selfalign", "few_shots.txt"), ("selfalign-chatml", "few_shots_short.txt")):
        prompt_template = load_prompt_template(find_prompt_template(template))
        yield from load_few_shots(root / "prompts" / file, prompt_template).examples


def check_examples(tasks, root):
    names = {normal(task.entry_point) for task in tasks}
    runs = {run for text in texts(tasks) for run in word_runs(text)}
    for each in all_examples(root):
        text = "\n".join(each.sections.values())
        found = re.findall(r"^ *(?:def|class) (\w+)", text, re.MULTILINE)
        defined = {normal(name) for name in found if not name.startswith("__")}
        assert not defined & names, f"example {each.number}"
        assert not word_runs(text) & runs, f"example {each.number}"


def test_no_example_is_a_task_of_humaneval(root):
    check_examples(load_benchmark("humaneval").tasks, root)


@pytest.mark.published
@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_no_example_is_a_published_task(published_data, root, name, version):
    check_examples(load_benchmark(name, version, published_data(name, version)).tasks, root)


def test_the_check_would_notice_one():
    task = load_benchmark("humaneval").tasks[0]
    (text,) = texts([task])
    assert word_runs("Please solve this.\n" + task.prompt) & word_runs(text)
