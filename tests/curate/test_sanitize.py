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


def test_published_benchmarks_are_read_from_the_shared_directory(shared, tmp_path):
    row = {
        "instruction": "Write a function to find the shared elements from the given two lists.",
        "response": "x",
    }
    write_jsonl(tmp_path / "in.jsonl", [row])
    decontaminate_file(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        tmp_path / "dropped.jsonl",
        sources=find_sources(["mbpp_plus@v0.2.0"], shared / "data/evalplus"),
        settings=ContaminationConfig(ngram=10),
    )
    (dropped,) = read_jsonl(tmp_path / "dropped.jsonl")
    assert dropped["detail"]["task"] == "Mbpp/2"


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
