"""Benchmarks load whole and pinned, or say in one line why not."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import zlib

import pytest
from own_records import EVALPLUS, EXECUTIONS, MBPP, TEST_OUTPUTS

from selfalign.benchmarks import available, load, load_benchmark, load_definition
from selfalign.benchmarks.definition import DataFile
from selfalign.benchmarks.records import read_tasks
from selfalign.core.config.base import validate_section
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import write_jsonl


def test_every_definition_is_valid():
    assert available() == [
        "ds1000",
        "evoeval",
        "humaneval",
        "humaneval_plus",
        "livecodebench",
        "livecodebench_execution",
        "livecodebench_repair",
        "livecodebench_tests",
        "mbpp",
        "mbpp_plus",
        "self_tests",
    ]
    for name in available():
        assert load_definition(name).name == name


def test_humaneval_comes_with_its_package():
    benchmark = load_benchmark("humaneval")
    assert len(benchmark.tasks) == 164
    first = benchmark.tasks[0]
    assert first.id == "HumanEval/0"
    assert first.entry_point == "has_close_elements"
    compile(first.prompt + first.canonical_solution + first.tests, "task", "exec")


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "version", "tasks"),
    [
        ("humaneval_plus", "v0.1.9", 164),
        ("humaneval_plus", "0.1.10", 164),
        ("mbpp_plus", "v0.1.0", 399),
        ("mbpp_plus", "v0.2.0", 378),
    ],
)
def test_evalplus_versions(published_data, name, version, tasks):
    assert len(load_benchmark(name, version, published_data(name, version)).tasks) == tasks


@pytest.mark.parametrize(
    ("name", "version", "records"), [("humaneval_plus", "v0.1.9", EVALPLUS), ("mbpp_plus", "v0.2.0", MBPP)]
)
def test_data_in_the_layout_of_evalplus_load_packed_and_unpacked(
    own_data, monkeypatch, name, version, records
):
    directory = own_data(name, version, records)
    packed = load_benchmark(name, version.removeprefix("v"), directory)
    assert [(task.id, task.prompt, task.record) for task in packed.tasks] == [
        (record["task_id"], record["prompt"], record) for record in records
    ]
    (path,) = directory.iterdir()
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert load_benchmark(name, version, directory) == packed
    versions = load_definition(name).versions
    monkeypatch.setitem(versions, version, versions[version].model_copy(update={"tasks": len(records) + 1}))
    with pytest.raises(DataError, match=f"expected {len(records) + 1} tasks, found {len(records)}"):
        load_benchmark(name, version, directory)


def test_other_data_are_refused(tmp_path, own_data):
    other = tmp_path / "HumanEvalPlus-v0.1.10.jsonl"
    write_jsonl(other, EVALPLUS)
    with pytest.raises(DataError, match=r"expected SHA-256 42526ec0.*found .*other data"):
        load_benchmark("humaneval_plus", None, tmp_path)
    own_data("humaneval_plus", "v0.1.10", EVALPLUS)
    assert len(load_benchmark("humaneval_plus", None, tmp_path).tasks) == 2
    other.write_bytes(other.read_bytes().replace(b"value", b"volue", 1))
    with pytest.raises(DataError, match=r"expected SHA-256 .*found .*other data"):
        load_benchmark("humaneval_plus", None, tmp_path)


@pytest.mark.published
def test_published_data_with_one_change_are_refused(tmp_path, published_data):
    source = published_data("humaneval_plus", "v0.1.10") / "HumanEvalPlus-v0.1.10.jsonl.gz"
    other = tmp_path / "HumanEvalPlus-v0.1.10.jsonl"
    other.write_bytes(gzip.decompress(source.read_bytes()).replace(b"sorted_numbers", b"sorted_number", 1))
    with pytest.raises(DataError, match=r"expected SHA-256 42526ec0.*found .*other data"):
        load_benchmark("humaneval_plus", None, tmp_path)


def test_missing_data_and_unknown_names_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r"no data; give the path of HumanEvalPlus-v0\.1\.10"):
        load_benchmark("humaneval_plus")
    with pytest.raises(DataError, match="expected HumanEvalPlus-v0"):
        load_benchmark("humaneval_plus", None, tmp_path)
    with pytest.raises(ConfigError, match=r"has no version 'v9'; it has v0\.1\.9, v0\.1\.10"):
        load_benchmark("humaneval_plus", "v9")
    with pytest.raises(ConfigError, match="no benchmark is called 'humanevil'; there are ds1000"):
        load_benchmark("humanevil")


TASK = {"task_id": "self_tests/0.0", "instruction": "Add.", "solution": "s", "tests": "t"}


def test_an_artifact_of_the_run_has_its_own_checksum(tmp_path):
    path = tmp_path / "tasks.jsonl"
    write_jsonl(path, [TASK])
    benchmark = load_benchmark("self_tests", data=tmp_path)
    assert (benchmark.version, benchmark.sha256) == ("held-out", file_sha256(path))
    assert [(task.id, task.prompt, task.canonical_solution, task.tests) for task in benchmark.tasks] == [
        ("self_tests/0.0", "Add.", "s", "t")
    ]
    with pytest.raises(DataError, match=r"no data; give the path of self_tests/tasks\.jsonl in the results"):
        load_benchmark("self_tests")


def test_no_tasks_are_one_line_that_says_what_to_do(tmp_path):
    write_jsonl(tmp_path / "tasks.jsonl", [])
    with pytest.raises(DataError) as error:
        load_benchmark("self_tests", data=tmp_path / "tasks.jsonl")
    assert str(error.value) == (
        f"{tmp_path}/tasks.jsonl: Self-tests: expected at least one task, found none; dropped/tasks.jsonl beside it says "
        "why. Raise 'seeds.count', 'generation.responses.n' or 'curation.self_tests.share'"
    )


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"url": "https://example.org/x"}, "needs a URL and one checksum"),
        ({"sha256": "0" * 64}, "needs a URL and one checksum"),
        (
            {"url": "https://example.org/x", "sha256": "0" * 64, "archive_sha256": "0" * 64},
            "needs a URL and one checksum",
        ),
        ({"artifact": "self_tests/x", "sha256": "0" * 64}, "an artifact of the run has no checksum"),
        (
            {"hub": {"dataset": "a/b", "revision": "main", "path": "x"}, "sha256": "0" * 64},
            "a file of the hub has no checksum",
        ),
        (
            {"artifact": "self_tests/x", "url": "https://example.org/x"},
            "an artifact of the run has no checksum",
        ),
    ],
)
def test_a_data_file_is_pinned_or_of_the_run(file, message):
    with pytest.raises(ConfigError, match=message):
        validate_section(DataFile, {"file": "x", **file})


def _question(**changes):
    cases = json.dumps([{"input": "1", "output": "2", "testtype": "stdin"}])
    return {
        "question_id": "q1",
        "question_content": "Add one.",
        "contest_date": "2023-08-21T00:00:00",
        "starter_code": "",
        "metadata": "{}",
        "public_test_cases": cases,
        "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(cases))).decode(),
        **changes,
    }


def test_packed_cases_are_read_and_unpacked_without_calling_anything(tmp_path):
    path = tmp_path / "test.jsonl"
    write_jsonl(path, [_question()])
    (task,) = read_tasks("livecodebench", path)
    assert len(task.record["cases"]) == 2

    class Trap:
        def __reduce__(self):
            return (print, ("called",))

    write_jsonl(
        path, [_question(private_test_cases=base64.b64encode(zlib.compress(pickle.dumps(Trap()))).decode())]
    )
    with pytest.raises(
        DataError, match=r"record 1, field 'private_test_cases': expected JSON.*builtins\.print"
    ):
        list(read_tasks("livecodebench", path))


def test_functional_cases_need_a_function(tmp_path):
    path = tmp_path / "test.jsonl"
    cases = json.dumps([{"input": "1", "output": "2", "testtype": "functional"}])
    write_jsonl(path, [_question(public_test_cases=cases)])
    with pytest.raises(DataError, match="expected 'func_name'"):
        list(read_tasks("livecodebench", path))


def test_predictions_have_a_call_and_an_expected_value(tmp_path):
    write_jsonl(tmp_path / "tests.jsonl", TEST_OUTPUTS)
    write_jsonl(tmp_path / "executions.jsonl", EXECUTIONS)
    first, second = read_tasks("livecodebench_tests", tmp_path / "tests.jsonl")
    assert (first.id, second.id) == ("2900:0", "2900:1")
    assert (first.record["call"], first.tests, first.canonical_solution) == (
        "pairs(2, 1)",
        "[1, 2]",
        "[1, 2]",
    )
    first, _ = read_tasks("livecodebench_execution", tmp_path / "executions.jsonl")
    assert (first.id, first.record["call"], first.tests) == (
        "sample_0",
        "longest(words = ['a', 'bc'])",
        "'bc'",
    )


@pytest.mark.parametrize(
    "cases", [[], TEST_OUTPUTS[:1] * 2, [{"input": "1", "output": "one", "testtype": "stdin"}]]
)
def test_a_test_output_is_that_of_one_case_in_json(tmp_path, cases):
    write_jsonl(tmp_path / "tests.jsonl", [{**TEST_OUTPUTS[0], "test": json.dumps(cases)}])
    with pytest.raises(
        DataError, match=r"record 1, field 'test': expected (one test case|a list of objects)"
    ):
        list(read_tasks("livecodebench_tests", tmp_path / "tests.jsonl"))


def test_repaired_samples_have_the_data_of_the_benchmark_they_come_from():
    repair, first = load_definition("livecodebench_repair"), load_definition("livecodebench")
    assert (repair.versions, repair.default_version) == (first.versions, first.default_version)
    assert (repair.data_name, first.data_name) == ("livecodebench", "livecodebench")
    assert [name for name in available() if load_definition(name).data_name != name] == [
        "livecodebench_repair"
    ]


def test_a_file_pinned_as_published_is_used_neither_unpacked_nor_packed_anew(tmp_path):
    unpacked, packed = tmp_path / "ds1000.jsonl", tmp_path / "ds1000.jsonl.gz"
    write_jsonl(unpacked, [{"prompt": "", "reference_code": "", "code_context": "", "metadata": {}}])
    packed.write_bytes(gzip.compress(unpacked.read_bytes()))
    for path in (unpacked, packed):
        with pytest.raises(DataError, match=r"of ds1000\.jsonl\.gz itself, as it is published.*other data"):
            load_benchmark("ds1000", None, path)


def test_inputs_of_evoeval_are_read_from_a_field_or_from_the_tests(tmp_path):
    path = tmp_path / "test.jsonl"
    inputs = ["'a\\nb', {1, 2}", '"it\'s", [0.5] * 3']
    head = "import numpy as np\n\ndef check(candidate):\n"
    tests = f'{head}    inputs = [eval(f"[{{i}}]") for i in {inputs!r}]\n    outputs = [[1], []]\n'
    record = {"task_id": "EvoEval/0", "prompt": "", "canonical_solution": "", "entry_point": "f"}
    write_jsonl(path, [{**record, "test": tests}, {**record, "inputs": inputs}])
    for task in read_tasks("evoeval", path):
        assert task.record["inputs"] == inputs
    for wrong in ("", head, f'{head}    inputs = [eval(f"[{{i}}]") for i in [print()]]\n'):
        write_jsonl(path, [{**record, "test": wrong}])
        with pytest.raises(
            DataError, match=r"record 1, field 'test': expected a line with the list of inputs"
        ):
            list(read_tasks("evoeval", path))


@pytest.fixture
def any_content(monkeypatch):
    """Records of our own pass for the pinned ones."""
    monkeypatch.setattr(load, "check_content", lambda *_: "0" * 64)


@pytest.mark.usefixtures("any_content")
def test_a_version_of_several_files_comes_from_a_directory(tmp_path):
    write_jsonl(tmp_path / "test.jsonl", [_question()])
    with pytest.raises(DataError, match=r"test\.jsonl: .*release_v2: expected a directory with its 2 files"):
        load_benchmark("livecodebench", "release_v2", tmp_path / "test.jsonl")
    with pytest.raises(DataError, match=r"expected test2\.jsonl in it"):
        load_benchmark("livecodebench", "release_v2", tmp_path)


@pytest.mark.usefixtures("any_content")
def test_a_window_takes_the_tasks_of_its_days(tmp_path):
    days = {"q1": "2023-08-31T23:59:59", "q2": "2023-09-01T00:00:00", "q3": "2024-03-31T12:00:00"}
    days |= {f"early {number}": "2022-01-01T00:00:00" for number in range(397)}  # 400 make the release
    write_jsonl(
        tmp_path / "test.jsonl", (_question(question_id=name, contest_date=day) for name, day in days.items())
    )

    def ids(first, last):
        found = load_benchmark("livecodebench", "release_v1", tmp_path, window=(first, last))
        assert found.window == (first, last)
        return [task.id for task in found.tasks]

    assert ids("2023-09-01", "2024-03-31") == ["q2", "q3"]
    assert ids("2023-08-31", "2023-08-31") == ["q1"]
    with pytest.raises(DataError, match="no task between 2025-01-01 and 2025-02-01"):
        ids("2025-01-01", "2025-02-01")
    with pytest.raises(DataError, match="its tasks carry no date"):
        load_benchmark("humaneval", window=("2023-01-01", "2024-01-01"))
