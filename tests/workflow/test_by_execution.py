"""Rows whose functions solve tasks of a scored benchmark, from the imported rows to the scores and the report."""

from __future__ import annotations

import pytest
from tests.tiny import write_tiny_checkpoint
from tests.workflow.flow import since
from tests.workflow.harness import Build, tiny_config, working_copy

from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl

pytestmark = [pytest.mark.workflow, pytest.mark.soak, pytest.mark.timeout(1500)]

# Solutions of HumanEval/23, 42 and 53 under other names, which share no 13 words with the benchmark.
SOLUTIONS = {
    "HumanEval/23": "def number_of_characters(sentence):\n    return sum(1 for _ in sentence)",
    "HumanEval/42": "def one_more_each(values):\n    return list(map((1).__add__, values))",
    "HumanEval/53": "def total(first, second):\n    return sum((first, second))",
}
OTHERS = (
    "def to_seconds(minutes):\n    return minutes * 60",
    "def is_short(word):\n    return len(word) < 4",
    "def first_and_last(items):\n    return items[0], items[-1]",
)


def with_rows(mode):
    """Return a configuration that starts at finished rows and tries them on the tasks of HumanEval."""
    config = tiny_config()
    config["start"] = {"stage": "dataset", "dataset": "./rows", "count": len(SOLUTIONS) + len(OTHERS)}
    config["curation"] = {
        "self_tests": {"share": 0.0},
        "quality": {"complete_code": False, "asserting_tests": False, "nontrivial_tests": False},
        "decontamination": {"by_execution": mode},
    }
    return config


def row(number, code):
    name = code.partition("(")[0].removeprefix("def ")
    return {
        "instruction": f"Task {number}: write the function `{name}`, as its name says.",
        "response": f"Here it is.\n\n```python\n{code}\n```",
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = working_copy(tmp_path_factory.mktemp("by_execution"))
    write_tiny_checkpoint(directory / "tiny-model")
    codes = [*SOLUTIONS.values(), *OTHERS]
    write_jsonl(directory / "rows/part.jsonl", [row(number, code) for number, code in enumerate(codes)])
    build = Build(directory, with_rows("report"))
    done = build.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    return build


def solved(build):
    (file,) = build.result("dataset/solutions").glob("humaneval-*.jsonl")
    return {each["task_id"] for each in read_jsonl(file) if each["solved"]}


def test_rows_that_solve_a_task_are_listed_and_kept(made):
    assert solved(made) == set(SOLUTIONS)
    kept = list(read_jsonl(made.result("dataset/train.jsonl")))
    assert len(kept) == len(SOLUTIONS) + len(OTHERS)


def test_scores_are_given_without_the_solved_tasks_as_well(made):
    for score in read_json(made.result("scores/summary.json"))["scores"]:
        clean = score["clean"]
        assert clean["n"] == score["n"] - len(SOLUTIONS)
        assert clean["solved_by_rows"] == len(SOLUTIONS)
    assert "tasks that no row solves" in made.result("report/index.html").read_text()
    assert made.stale_rules() == set()


def test_dropping_trains_without_these_rows(made, tmp_path):
    copy = made.copy(tmp_path / "copy")
    config = with_rows("drop")
    assert copy.stale_rules(config) == {"decontaminate_by_execution", *since("dataset", "funnel")}
    done = copy.snakemake(config=config)
    assert done.returncode == 0, done.stdout[-6000:]
    kept = " ".join(each["response"] for each in read_jsonl(copy.result("dataset/train.jsonl")))
    assert not any(code in kept for code in SOLUTIONS.values())
    dropped = list(read_jsonl(copy.result("dataset/dropped/decontaminate_by_execution.jsonl")))
    assert len(dropped) == len(SOLUTIONS)
    assert {each["reason"] for each in dropped} == {"solves_task"}
    steps = {each["step"]: each for each in read_json(copy.result("report/funnel.json"))["steps"]}
    assert steps["decontaminate_by_execution"]["dropped"] == {"solves_task": len(dropped)}
    for score in read_json(copy.result("scores/summary.json"))["scores"]:
        assert "clean" not in score, "no row solves a task"
