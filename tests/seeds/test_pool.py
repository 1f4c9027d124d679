from __future__ import annotations

import logging
import random

from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.seeds.pool import build_pool, cut_shard

ROWS = [{"seed": f"def f{number}(x): ...", "sha1": str(number)} for number in range(20)]


def test_the_pool_is_one_order_whatever_the_units(tmp_path):
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    write_jsonl(tmp_path / "all", ROWS)
    write_jsonl(tmp_path / "a", shuffled[:7])
    write_jsonl(tmp_path / "b", shuffled[7:])
    build_pool([tmp_path / "all"], tmp_path / "one.jsonl", seed=1)
    build_pool([tmp_path / "a", tmp_path / "b"], tmp_path / "two.jsonl", seed=1)
    build_pool([tmp_path / "all"], tmp_path / "other.jsonl", seed=2)
    one = (tmp_path / "one.jsonl").read_bytes()
    assert one == (tmp_path / "two.jsonl").read_bytes() != (tmp_path / "other.jsonl").read_bytes()
    rows = list(read_jsonl(tmp_path / "one.jsonl"))
    assert rows != ROWS
    assert sorted(rows, key=lambda row: int(row["sha1"])) == ROWS


def test_shards_are_slices_with_absolute_indices(tmp_path, caplog):
    write_jsonl(tmp_path / "pool", ROWS)
    with caplog.at_level(logging.WARNING):
        assert cut_shard(tmp_path / "pool", tmp_path / "s", [8, 16]) == 8
        assert not caplog.records
        rows = list(read_jsonl(tmp_path / "s"))
        assert [row["index"] for row in rows] == list(range(8, 16))
        assert [row["seed"] for row in rows] == [row["seed"] for row in ROWS[8:16]]
        assert cut_shard(tmp_path / "pool", tmp_path / "s", [16, 24]) == 4
        assert "this shard has 4 of 8 records" in caplog.text
        assert cut_shard(tmp_path / "pool", tmp_path / "s", [24, 32]) == 0
