import pytest

from selfalign.benchmarks import load_benchmark
from selfalign.contamination import ContaminationIndex, contamination_filter
from selfalign.contamination.patterns import description, words_of
from selfalign.core.config.contamination import GENERIC_ONE_LINERS
from selfalign.core.filtering import Drop, Keep


@pytest.fixture(scope="module")
def humaneval():
    return load_benchmark("humaneval")


@pytest.fixture(scope="module")
def index(humaneval):
    return ContaminationIndex.of([humaneval])


def test_every_task_is_found_by_its_prompt_whatever_its_case_and_layout(humaneval, index):
    for task in humaneval.tasks:
        text = description(task.prompt).upper().replace("\n", "\n\t ")
        if len(words_of(text).split()) < 5:
            continue
        match = index.find(f"Please do this: {text} Thank you.")
        assert match is not None, task.id


def test_every_solution_of_some_length_is_found_and_attributed(humaneval, index):
    for task in humaneval.tasks:
        if len(words_of(task.canonical_solution).split()) >= 13:
            match = index.find(f"def renamed(q):\n{task.canonical_solution}\n")
            assert match is not None, task.id
            assert match.pattern.benchmark.startswith("humaneval")


def test_generic_one_liners_are_exempt(index):
    for text in GENERIC_ONE_LINERS:
        assert index.find(text) is None


def test_words_match_whole_only(humaneval, index):
    text = description(humaneval.tasks[0].prompt)
    assert index.find(text) is not None
    assert index.find("x".join(words_of(text).split())) is None


def test_the_match_is_kept_beside_the_dropped_row(humaneval, index):
    clean = contamination_filter(index, ["instruction", "response"])
    task = humaneval.tasks[2]
    outcome = clean({"instruction": "Write it.", "response": task.prompt})
    assert isinstance(outcome, Drop)
    assert outcome.reason == "contaminated"
    assert outcome.detail["field"] == "response"
    assert outcome.detail["task"].startswith("HumanEval/")
    assert outcome.detail["text"]
    assert isinstance(clean({"instruction": "Sort numbers.", "response": "sorted(x)"}), Keep)


def test_an_assertion_is_found_under_the_name_of_the_function(humaneval, index):
    task = humaneval.by_id()["HumanEval/0"]
    line = next(each for each in task.tests.split("\n") if "assert" in each)
    for text in (line, line.replace("candidate", task.entry_point)):
        assert index.find(text).pattern.part == "test"


def test_examples_of_a_prompt_are_found_alone(humaneval, index):
    prompt = humaneval.tasks[0].prompt
    assert index.find(prompt[prompt.index(">>>") :]) is not None


def test_rows_of_numbers_are_no_overlap(index):
    assert index.find(" ".join(str(number) for number in range(1, 40))) is None
