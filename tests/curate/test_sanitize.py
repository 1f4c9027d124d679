import pytest

from selfalign.contamination import find_sources
from selfalign.core.config.contamination import ContaminationConfig
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.decontaminate import decontaminate_file
from selfalign.curate.rows import read_rows
from selfalign.curate.sanitize import sanitize_file


def test_packaged_benchmarks_need_no_data_directory(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"instruction": "Sort a list.", "response": "sorted(x)"}])
    counts = decontaminate_file(
        tmp_path / "in.jsonl", tmp_path / "out.jsonl", sources=find_sources(["humaneval"], tmp_path)
    )
    assert counts.records_out == 1


OWN_TASK = {
    "task_id": "Mbpp/9001",
    "prompt": '"""\nWrite a function to count the pears that are heavier than the mean of all pears in a basket.\n'
    'assert heavy_pears([1, 2, 3]) == 1\n"""\n',
    "entry_point": "heavy_pears",
    "canonical_solution": "\ndef heavy_pears(basket):\n    return sum(p > sum(basket) / len(basket) for p in basket)\n",
    "base_input": [[[1, 2, 3]]],
    "plus_input": [[[5, 5, 9]]],
    "atol": 0,
}
OWN_COPY = (
    "Please write a function to count the pears that are heavier than the mean of all pears in any basket."
)
PUBLISHED_COPY = "Write a function to find the shared elements from the given two lists."


def decontaminate(directory, tmp_path, instruction):
    write_jsonl(
        tmp_path / "in.jsonl",
        [{"instruction": instruction, "response": "x"}, {"instruction": "Sort a list.", "response": "x"}],
    )
    decontaminate_file(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        tmp_path / "dropped.jsonl",
        sources=find_sources(["mbpp_plus@v0.2.0"], directory),
        settings=ContaminationConfig(ngram=10),
    )
    assert [row["instruction"] for row in read_jsonl(tmp_path / "out.jsonl")] == ["Sort a list."]
    (dropped,) = read_jsonl(tmp_path / "dropped.jsonl")
    assert (dropped["reason"], dropped["instruction"]) == ("contaminated", instruction)
    return dropped["detail"]


def test_data_files_of_benchmarks_are_read_from_a_directory(own_data, tmp_path):
    directory = own_data("mbpp_plus", "v0.2.0", [OWN_TASK])
    found = decontaminate(directory, tmp_path, OWN_COPY)
    assert (found["task"], found["field"]) == ("Mbpp/9001", "instruction")


@pytest.mark.published
def test_published_tasks_are_found(published_data, tmp_path):
    directory = published_data("mbpp_plus", "v0.2.0")
    assert decontaminate(directory, tmp_path, PUBLISHED_COPY)["task"] == "Mbpp/2"


def test_a_row_without_a_response_names_file_line_and_field(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [{"instruction": "a", "response": "b"}, {"instruction": "a"}])
    with pytest.raises(DataError, match=r"in\.jsonl, record 2, field 'response': expected a string"):
        sanitize_file("raw", read_rows([tmp_path / "in.jsonl"]), tmp_path / "out.jsonl")


def test_no_rows_in_give_no_rows_out(tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [])
    counts = sanitize_file(
        "smart", read_rows([tmp_path / "in.jsonl"]), tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
    )
    assert counts.to_json() == {"step": "sanitize_smart", "in": 0, "out": 0, "dropped": {}}
    assert (tmp_path / "out.jsonl").read_bytes() == b""
