"""Which benchmarks are looked for, and where their data are found."""

import pytest
from own_records import CONTEST, DATA_SCIENCE, EVALPLUS, EVOEVAL
from own_records import MBPP as MBPP_PLUS

from selfalign.benchmarks import Benchmark, load_definition
from selfalign.benchmarks.records import read_tasks
from selfalign.contamination import ContaminationIndex, Source, find_sources, load_sources
from selfalign.core.errors import ConfigError
from selfalign.core.jsonl import write_jsonl

MBPP = {
    "task_id": 601,
    "text": "Write a function to count the pears that are heavier than the mean of all pears in a basket.",
    "code": "def other(x):\r\n  return x\r\ndef heavy_pears(basket):\r\n  mean = sum(basket) / len(basket)\r\n"
    "  return sum(pear > mean for pear in basket)",
    "test_list": ["assert heavy_pears([1, 2, 3]) == 1", "assert heavy_pears([5, 5, 5, 9, 1]) == 1"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
# Nobody's solution, see GENERIC_ONE_LINERS.
GENERIC = {"canonical_solution": "    return x + y\n"}


def test_packaged_data_need_no_place_and_others_are_downloaded():
    found = find_sources(["humaneval", "mbpp"], downloads="downloads")
    assert found == [Source("humaneval", "2021-07"), Source("mbpp", "2021-08", "downloads/mbpp")]
    assert found[0].files == []
    assert found[1].files == ["downloads/mbpp/mbpp.jsonl"]


def test_a_directory_takes_the_place_of_downloads(tmp_path):
    (found,) = find_sources(["mbpp"], tmp_path, downloads="downloads")
    assert found.files == [str(tmp_path / "mbpp.jsonl")]


def test_a_scored_version_comes_once():
    known = [("mbpp", None), ("evoeval", "subtle-hub-b1d6d9da")]
    found = find_sources(["mbpp@2021-08", "evoeval"], known=known, downloads="d")
    assert [(each.name, each.version, each.data) for each in found] == [
        ("mbpp", "2021-08", "d/mbpp"),
        ("evoeval", "subtle-hub-b1d6d9da", "d/evoeval"),
        ("evoeval", "difficult-hub-d8200440", "d/evoeval"),
    ]
    assert found[0].files == ["d/mbpp/mbpp.jsonl"]


def test_unknown_names_and_versions_are_said():
    with pytest.raises(ConfigError, match="no benchmark is called 'humanevil'"):
        find_sources(["humanevil"])
    with pytest.raises(ConfigError, match="has no version 'v9'"):
        find_sources(["mbpp_plus@v9"])


def test_a_benchmark_of_the_run_is_not_searched_for():
    assert find_sources(["mbpp"], known=[("self_tests", None)]) == find_sources(["mbpp"])
    with pytest.raises(ConfigError, match="benchmark 'self_tests' is made of the rows of the run"):
        find_sources(["self_tests"])


def test_json_and_back(own_data):
    directory = own_data("humaneval_plus", "v0.1.10", EVALPLUS)
    (source,) = find_sources(["humaneval_plus@v0.1.10"], directory)
    (benchmark,) = load_sources([source.to_json()])
    assert [task.id for task in benchmark.tasks] == ["HumanEval/900", "HumanEval/901"]


@pytest.mark.parametrize(
    ("name", "version", "records", "exempt"),
    [
        ("humaneval_plus", "v0.1.10", EVALPLUS, set()),
        ("humaneval_plus", "v0.1.10", [{**EVALPLUS[1], **GENERIC}], {"HumanEval/901"}),
        ("mbpp_plus", "v0.2.0", MBPP_PLUS, set()),
    ],
)
def test_every_task_is_found_by_prompt_and_solution(own_data, name, version, records, exempt):
    directory = own_data(name, version, records)
    assert missed_solutions(load_sources(find_sources([name], directory))) == exempt


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("humaneval_plus", "v0.1.9"),
        ("humaneval_plus", "v0.1.10"),
        ("mbpp_plus", "v0.1.0"),
        ("mbpp_plus", "v0.2.0"),
    ],
)
def test_every_published_evalplus_task_is_found_by_prompt_and_solution(published_data, name, version):
    sources = find_sources([f"{name}@{version}"], published_data(name, version))
    # The exempt one-liners; those of MBPP+ begin with a definition and are never so short.
    exempt = {f"HumanEval/{number}" for number in (2, 23, 27, 28, 41, 53)}
    assert missed_solutions(load_sources(sources)) <= exempt


def missed_solutions(benchmarks: list[Benchmark]) -> set[str]:
    """Return the tasks whose solutions are not found; their prompts must be."""
    index = ContaminationIndex.of(benchmarks)
    tasks = [task for benchmark in benchmarks for task in benchmark.tasks]
    assert [task.id for task in tasks if index.find(task.prompt) is None] == []
    return {task.id for task in tasks if index.find(task.canonical_solution) is None}


def test_all_of_mbpp_is_looked_for_in_its_own_layout(tmp_path):
    write_jsonl(tmp_path / "mbpp.jsonl", [MBPP])
    (task,) = read_tasks("mbpp", tmp_path / "mbpp.jsonl")
    assert (task.id, task.entry_point) == ("MBPP/601", "heavy_pears")
    compile(task.canonical_solution + task.tests + f"check({task.entry_point})", "task", "exec")
    namespace: dict = {}
    exec(f"{task.canonical_solution}\n{task.tests}\ncheck({task.entry_point})", namespace)


@pytest.mark.parametrize(
    ("name", "records", "copied"),
    [
        ("livecodebench", CONTEST, "1. READ a number on each line, and write it\n plus one half!"),
        ("ds1000", DATA_SCIENCE, "Add up values; put it into result. <code> import numpy as np </code>"),
        ("evoeval", EVOEVAL, "# def spread(values): Return largest minus smallest"),
        ("evoeval", EVOEVAL, "x = 1\nreturn max( values ) - min( values )"),
    ],
)
def test_tasks_of_other_benchmarks_are_found_in_other_layouts(tmp_path, name, records, copied):
    write_jsonl(tmp_path / "data.jsonl", records)
    definition = load_definition(name)
    tasks = tuple(read_tasks(definition.format, tmp_path / "data.jsonl"))
    index = ContaminationIndex.of([Benchmark(definition, "test", tasks, "0" * 64)])
    found = index.find(copied)
    assert found is not None
    assert (found.pattern.benchmark, found.pattern.task) == (f"{name} test", tasks[0].id)
    assert index.find(copied.replace("values", "numbers").replace("number on", "word on")) is None
