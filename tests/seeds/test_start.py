"""Rows from elsewhere as records of a stage: fields, names, lineage, and what is refused."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfalign.core.config import load_config
from selfalign.core.config.start import StartConfig
from selfalign.core.errors import ConfigError, DataError
from selfalign.core.hashing import file_sha256
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.seeds.start import import_rows

PAIR = {"instruction": "Add.", "response": "```python\npass\n```"}
# Changes that a run without failed responses, or with final rows, needs.
QUIET = {
    "curation": {
        "self_tests": {"share": 0},
        "quality": {"asserting_tests": False, "nontrivial_tests": False},
    },
    "evaluation": {"benchmarks": [{"name": "humaneval"}]},
}


def start(directory, stage="dataset", **settings) -> StartConfig:
    return StartConfig(stage=stage, dataset=str(directory), **{"count": 10, **settings})


def test_rows_of_all_files_are_numbered_and_know_where_they_come_from(tmp_path):
    data = tmp_path / "data"
    write_jsonl(data / "b.jsonl", [{**PAIR, "id": 7}])
    pq.write_table(pa.table({name: [value] * 2 for name, value in PAIR.items()}), data / "a.parquet")
    (data / "infos.json").write_text('{"is": "no data file"}')
    (data / "README.md").write_text("nor is this")
    counts = import_rows(start(data), tmp_path / "out.jsonl")
    rows = list(read_jsonl(tmp_path / "out.jsonl"))
    assert (counts.step, counts.records_in, counts.records_out) == ("import", 3, 3)
    assert [row["index"] for row in rows] == [0, 1, 2]
    assert rows[2] == {
        **PAIR,
        "id": 7,
        "index": 2,
        "lineage": dict.fromkeys(("seed", "import"), rows[2]["lineage"]["import"]),
    }
    assert [row["lineage"]["import"] for row in rows] == [
        {
            "dataset": str(data),
            "revision": None,
            "file": name,
            "sha256": file_sha256(data / name),
            "record": record,
        }
        for name, record in (("a.parquet", 0), ("a.parquet", 1), ("b.jsonl", 0))
    ]


def test_named_files_are_read_in_their_order_and_columns_are_renamed(tmp_path):
    for number in range(2):
        write_jsonl(
            tmp_path / f"{number}.jsonl", [{"prompt": f"Add {number}.", "answer": "a", "response": "b"}]
        )
    names = {"prompt": "instruction", "answer": "response", "response": "raw"}
    import_rows(start(tmp_path, files=["1.jsonl", "0.jsonl"], rename=names), tmp_path / "out.jsonl")
    rows = list(read_jsonl(tmp_path / "out.jsonl"))
    assert [(row["instruction"], row["response"], row["raw"]) for row in rows] == [
        ("Add 1.", "a", "b"),
        ("Add 0.", "a", "b"),
    ]


def test_rows_with_a_history_keep_it(tmp_path):
    history = {"response": {"model": "m"}, "transformations": ["sanitize:raw"]}
    write_jsonl(
        tmp_path / "rows.jsonl", [{**PAIR, "lineage": history}, {**PAIR, "lineage": json.dumps(history)}]
    )
    import_rows(start(tmp_path, "filtered"), tmp_path / "out.jsonl")
    for row in read_jsonl(tmp_path / "out.jsonl"):
        assert {**row["lineage"], **history} == row["lineage"]
        assert row["lineage"].keys() == {*history, "import"}


@pytest.mark.parametrize(
    ("stage", "row", "said"),
    [
        ("seeds", {"text": "x"}, "field 'seed': expected a string, found no such field"),
        ("concepts", {"concepts": "x"}, "field 'concepts': expected a list, found str"),
        ("concepts", {"concepts": ["x", 1]}, "field 'concepts': expected a list of strings, found int in it"),
        ("instructions", {"instruction": None}, "field 'instruction': expected a string, found NoneType"),
        ("responses", {"instruction": "a"}, "field 'response': expected a string, found no such field"),
        (
            "responses",
            {"instruction": "a", "parsing_result": ["b"]},
            "field 'parsing_result': expected a list of objects, found str in it",
        ),
        ("filtered", {"response": "a"}, "field 'instruction': expected a string, found no such field"),
        ("dataset", {**PAIR, "response": 5}, "field 'response': expected a string, found int"),
        ("dataset", {**PAIR, "lineage": 5}, "field 'lineage': expected an object, found int"),
        ("dataset", {**PAIR, "lineage": {"seed": 5}}, "field 'lineage.seed': expected an object, found int"),
    ],
)
def test_a_row_that_the_stage_cannot_read_is_named(tmp_path, stage, row, said):
    good = {"seed": "s", "concepts": ["c"], **PAIR}
    write_jsonl(tmp_path / "rows.jsonl", [good, row])
    with pytest.raises(DataError, match=rf"^rows\.jsonl, record 2, {re.escape(said)}$"):
        import_rows(start(tmp_path, stage), tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_renames_that_do_not_fit_are_named(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{**PAIR, "text": "c"}])
    for rename, said in (
        (
            {"text": "response"},
            "record 1, field 'text': cannot be renamed to 'response', which is a column too",
        ),
        ({"answer": "response"}, "record 1, field 'answer': expected this column"),
    ):
        with pytest.raises(DataError, match=said):
            import_rows(start(tmp_path, rename=rename), tmp_path / "out.jsonl")


def test_a_directory_without_data_files_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"'start.dataset' is '.*'; expected Parquet or JSON Lines files"):
        import_rows(start(tmp_path), tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dataset": "a/b"}, "'start' is .*; `dataset` needs `stage`"),
        ({"stage": "seeds"}, "stage 'seeds' needs `dataset`"),
        ({"stage": "seeds", "dataset": "a/b"}, "stage 'seeds' needs `count`"),
        (
            {"stage": "seed", "dataset": "a/b", "count": 1},
            "'start.stage' is 'seed'; expected 'seeds', 'concepts'",
        ),
        (
            {"stage": "seeds", "dataset": "./a", "revision": "b", "count": 1},
            "`revision` conflicts with a directory",
        ),
        (
            {"stage": "seeds", "dataset": "a/b", "count": 1, "rename": {"x": "seed", "y": "seed"}},
            "`rename` gives two columns the name 'seed'",
        ),
        (
            {"stage": "seeds", "dataset": "a/b", "count": 0},
            "'start.count' is 0; expected greater than or equal to 1",
        ),
        (
            {"stage": "seeds", "dataset": "a/b", "count": 1_000_000_000},
            "'start.count' 1000000000 in shards of",
        ),
    ],
)
def test_a_start_that_is_not_whole_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config({"start": settings})


@pytest.mark.parametrize(
    ("stage", "changed", "key"),
    [
        ("concepts", {"generation": {"pipeline": "direct"}}, "generation.pipeline"),
        ("filtered", {"curation": {"responses": "random", "self_tests": {"share": 0}}}, "curation.responses"),
        ("dataset", {}, "curation.self_tests.share"),
        ("dataset", {"curation": {"self_tests": {"share": 0}}}, "curation.quality.asserting_tests"),
    ],
)
def test_what_the_imported_rows_cannot_serve_is_refused(stage, changed, key):
    settings = {"stage": stage, "dataset": "a/b", "count": 10}
    with pytest.raises(ConfigError, match=f"'{key}' is .*, which conflicts with 'start.stage' '{stage}'"):
        load_config({"evaluation": QUIET["evaluation"], **changed, "start": settings})
    config = load_config({**QUIET, "start": settings})
    assert (config.records, config.start.revision) == (10, "main")
