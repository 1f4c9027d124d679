from selfalign.core.filtering import Drop, Keep, apply_filters, merge_counts
from selfalign.core.jsonl import read_jsonl


def no_odd(record):
    return Drop("odd", detail=record["n"]) if record["n"] % 2 else Keep(record)


def double(record):
    return Keep({"n": record["n"] * 2})


def no_eight(record):
    return Drop("eight") if record["n"] == 8 else Keep(record)


def test_every_record_is_kept_or_dropped_with_its_reason(tmp_path):
    counts = apply_filters(
        "numbers",
        ({"n": n} for n in range(6)),
        [no_odd, double, no_eight],
        tmp_path / "out.jsonl",
        tmp_path / "dropped.jsonl",
    )
    assert list(read_jsonl(tmp_path / "out.jsonl")) == [{"n": 0}, {"n": 4}]
    assert list(read_jsonl(tmp_path / "dropped.jsonl")) == [
        {"n": 1, "reason": "odd", "detail": 1},
        {"n": 3, "reason": "odd", "detail": 3},
        {"n": 4, "reason": "eight"},
        {"n": 5, "reason": "odd", "detail": 5},
    ]
    assert counts.to_json() == {"step": "numbers", "in": 6, "out": 2, "dropped": {"eight": 1, "odd": 3}}


def test_counts_of_shards_add_up():
    parts = [
        {"step": "s", "in": 3, "out": 1, "dropped": {"b": 2}, "extra": {"tokens": 5}},
        {"step": "s", "in": 4, "out": 3, "dropped": {"a": 1}, "extra": {"tokens": 2}},
    ]
    assert merge_counts("s", parts) == {
        "step": "s",
        "in": 7,
        "out": 4,
        "dropped": {"a": 1, "b": 2},
        "extra": {"tokens": 7},
    }
