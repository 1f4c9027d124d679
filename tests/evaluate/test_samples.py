"""Sample files that are not whole give one clear line and no score."""

from __future__ import annotations

import pytest
from own_records import CONTEST, DATA_SCIENCE, EVALPLUS

from selfalign.core.errors import DataError
from selfalign.core.jsonl import write_jsonl
from selfalign.evaluate.samples import Sample, check_syntax, read_samples

FIRST, SECOND = "HumanEval/900", "HumanEval/901"


@pytest.fixture
def benchmark(make_benchmark):
    return make_benchmark("humaneval_plus", EVALPLUS)


def _write(tmp_path, *rows):
    path = tmp_path / "samples.jsonl"
    write_jsonl(path, rows)
    return path


def test_completions_follow_the_prompt_and_solutions_stand_alone(tmp_path, benchmark):
    path = _write(
        tmp_path, {"task_id": SECOND, "solution": "x = 1"}, {"task_id": FIRST, "completion": "    pass\n"}
    )
    first, second = read_samples(path, benchmark)
    assert first.solution == EVALPLUS[0]["prompt"] + "    pass\n"
    assert second.solution == "x = 1"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"task_id": "HumanEval/999", "solution": ""}],
            "record 1, field 'task_id': .*no task 'HumanEval/999'",
        ),
        ([{"task_id": FIRST, "solution": ""}], r"1 of 2 tasks .* have no sample \(HumanEval/901\)"),
        (
            [
                {"task_id": FIRST, "solution": ""},
                {"task_id": SECOND, "solution": ""},
                {"task_id": FIRST, "solution": ""},
            ],
            "record 3: sample of task 'HumanEval/900' is repeated; it occurs first in record 1",
        ),
        (
            [{"task_id": t, "solution": "", "sample": 0} for t in (FIRST, SECOND, SECOND)],
            "record 3: sample of task 'HumanEval/901' is repeated; it occurs first in record 2",
        ),
        (
            [{"task_id": t, "solution": s} for t, s in ((FIRST, "a"), (FIRST, "b"), (SECOND, "a"))],
            "expected the same number of samples",
        ),
        (
            [{"task_id": t, "solution": "", "sample": [0]} for t in (FIRST, SECOND)],
            "record 1, field 'sample': expected an integer, found list",
        ),
        (
            [{"task_id": FIRST, "solution": "", "sample": 0}, {"task_id": SECOND, "solution": ""}],
            "record 2, field 'sample': expected this field in every record or in none",
        ),
        ([{"task_id": FIRST}], "record 1: expected a field 'completion' or 'solution'"),
        ([{"task_id": FIRST, "solution": None}], "record 1, field 'solution': expected a string"),
    ],
)
def test_bad_files_are_refused(tmp_path, benchmark, rows, message):
    with pytest.raises(DataError, match=message):
        read_samples(_write(tmp_path, *rows), benchmark)


def test_equal_answers_of_a_sampled_run_are_no_duplicates(tmp_path, benchmark):
    rows = [{"task_id": t, "solution": s} for t in (FIRST, SECOND) for s in ("a", "b", "a")]
    assert [sample.number for sample in read_samples(_write(tmp_path, *rows), benchmark)] == [0, 1, 2] * 2
    doubled = [{"task_id": t, "solution": "a"} for t in (FIRST, SECOND)] * 2
    with pytest.raises(DataError, match="is repeated"):
        read_samples(_write(tmp_path, *doubled), benchmark)


def test_numbered_samples_come_in_the_order_of_their_numbers(tmp_path, benchmark):
    rows = [{"task_id": t, "solution": str(n), "sample": n} for n in (2, 1) for t in (FIRST, SECOND)]
    found = read_samples(_write(tmp_path, *rows), benchmark)
    assert [(sample.number, sample.solution) for sample in found] == [(0, "1"), (1, "2")] * 2


def test_a_completion_follows_the_program_that_the_task_begins_and_no_other_text(tmp_path, make_benchmark):
    for name, records, completions in (
        ("ds1000", DATA_SCIENCE, ["result = values.sum()"]),
        ("livecodebench", CONTEST, ["print(1)", "return 1"]),
    ):
        benchmark = make_benchmark(name, records)
        rows = [
            {"task_id": task.id, "completion": completion}
            for task, completion in zip(benchmark.tasks, completions, strict=True)
        ]
        solutions = [sample.solution for sample in read_samples(_write(tmp_path, *rows), benchmark)]
        beginnings = [record.get("starter_code", "") for record in records]
        assert solutions == [a + b for a, b in zip(beginnings, completions, strict=True)]


def _samples(benchmark, *solutions):
    return [Sample(benchmark.tasks[0], number, solution) for number, solution in enumerate(solutions)]


@pytest.mark.parametrize(
    ("solutions", "warning"),
    [
        (("x = 1", "def f():\n    return 1\n", ""), None),
        (("x = 1", "x = = 1"), "1 of 2 samples does not compile"),
        (("x = 1", "return 1", "\x00"), "2 of 3 samples do not compile"),
        (("```\nx\n```", "x = = 1"), "2 of 2 samples do not compile; 1 of them begin with a code fence"),
        (("\n```python\nx\n```",), "1 of 1 samples does not compile; all begin with a code fence"),
        (("(" * 100_000, "x"), "1 of 2 samples does not compile"),
    ],
)
def test_samples_that_do_not_compile_are_counted(benchmark, solutions, warning):
    found = check_syntax(_samples(benchmark, *solutions)).warning()
    assert (found and found.partition(" (")[0]) == warning
