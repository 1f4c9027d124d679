"""The files that are handed over open elsewhere and say what is true."""

import hashlib
import json

import pytest
import yaml

from selfalign.core.config.curation import ExportConfig
from selfalign.core.jsonl import read_jsonl, write_json, write_jsonl
from selfalign.curate.card import write_card
from selfalign.curate.export import (
    column_kinds,
    split_rows,
    write_checksums,
    write_parquet,
)

COUNT = 40


def row(number):
    """Rows whose histories differ in form."""
    seed = {"package": "toolz", "version": "1.0.0", "license": "BSD", "file": "a.py", "line": number}
    lineage = {
        "seed": seed,
        "response": {"model": "abc"},
        "instruction": {"drawn": {"difficulty": "easy"}} if number % 2 else {},
        "transformations": ["sanitize:raw"] if number % 3 else [],
    }
    return {
        "instruction": f"Do {number}.",
        "response": f"```python\n{number}\n```",
        "concepts": ["a"] if number % 2 else [],
        "index": number,
        "lineage": lineage,
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run") / "dataset"
    write_jsonl(directory / "rows.jsonl", map(row, range(COUNT)))
    split_rows(
        directory / "rows.jsonl", directory / "train.jsonl", directory / "test.jsonl", share=0.1, seed=1
    )
    (directory / "rows.jsonl").unlink()
    for name in ("train", "test"):
        write_parquet(directory / f"{name}.jsonl", directory / f"{name}.parquet")
    funnel = directory.parent / "funnel.json"
    step = {"stage": "dataset", "step": "decontaminate", "in": 43, "out": 40, "dropped": {"contaminated": 3}}
    write_json(funnel, {"steps": [step]})
    write_card(
        directory / "README.md",
        splits={name: directory / f"{name}.jsonl" for name in ("train", "test")},
        funnel=funnel,
        settings=ExportConfig(license="apache-2.0", title="Mine: rows"),
        model="tiny",
        configuration={"curation": {"decontamination": {"ngram": 13}}},
        benchmarks=[{"name": "humaneval", "version": "2021-07"}],
    )
    names = ("train.jsonl", "train.parquet", "test.jsonl", "test.parquet", "README.md")
    write_checksums(directory / "SHA256SUMS", [directory / name for name in names])
    return directory


def test_the_directory_opens_as_a_data_set(dataset, tmp_path):
    import datasets

    opened = datasets.load_dataset(str(dataset), cache_dir=str(tmp_path))
    assert {name: split.num_rows for name, split in opened.items()} == {"train": 36, "test": 4}
    first = next(read_jsonl(dataset / "train.jsonl"))
    assert opened["train"][0]["instruction"] == first["instruction"]
    assert opened["train"][0]["concepts"] == first["concepts"]
    assert json.loads(opened["train"][0]["lineage"]) == first["lineage"]


def test_the_json_lines_open_too(dataset, tmp_path):
    import datasets

    opened = datasets.load_dataset(
        "json", data_files={"train": str(dataset / "train.jsonl")}, cache_dir=str(tmp_path)
    )
    assert opened["train"][0]["lineage"]["seed"]["package"] == "toolz"


def test_every_row_is_in_one_split_and_in_its_order(dataset):
    splits = [[each["index"] for each in read_jsonl(dataset / f"{name}.jsonl")] for name in ("train", "test")]
    assert sorted(splits[0] + splits[1]) == list(range(COUNT))
    assert all(split == sorted(split) for split in splits)


@pytest.mark.parametrize(("count", "expected"), [(0, (0, 0)), (1, (1, 0)), (2, (1, 1)), (10, (9, 1))])
def test_a_small_data_set_keeps_a_row_to_train_on(tmp_path, count, expected):
    write_jsonl(tmp_path / "rows.jsonl", map(row, range(count)))
    paths = [tmp_path / name for name in ("rows.jsonl", "train.jsonl", "test.jsonl")]
    assert split_rows(*paths, share=0.01) == expected
    write_parquet(paths[1], tmp_path / "train.parquet")


def test_the_card_has_the_numbers_of_the_run(dataset):
    text = (dataset / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "apache-2.0"
    assert yaml.safe_load(head)["pretty_name"] == "Mine: rows"
    assert "36 (train) and 4 (test) pairs" in body
    assert "- toolz 1.0.0 (BSD): 40 rows" in body
    assert "| dataset | decontaminate | 43 | 40 | contaminated 3 |" in body
    assert "humaneval 2021-07" in body
    assert "3 rows were dropped for it" in body
    assert "identity `abc`" in body


def test_the_checksums_are_of_the_files(dataset):
    listed = {
        name: digest for digest, name in map(str.split, (dataset / "SHA256SUMS").read_text().splitlines())
    }
    assert set(listed) == {path.name for path in dataset.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((dataset / name).read_bytes()).hexdigest() == digest


def test_a_column_of_several_kinds_is_json():
    rows = [{"a": 1, "b": None, "c": ["x"], "d": True}, {"a": "1", "b": 2.5, "c": [], "d": None}]
    assert column_kinds(rows) == {"a": "json", "b": "number", "c": "strings", "d": "truth"}
