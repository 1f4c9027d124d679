"""Hold-out: by cluster, whatever the order, and never a twin in training."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from selfalign.core.config.curation import SelfTestsConfig
from selfalign.core.instructions import normalized_instruction
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.hold_out import (
    cluster_ids,
    hold_out_file,
    implementation_names,
    is_held_out,
)
from selfalign.dedup import jaccard, shingles

SETTINGS = SelfTestsConfig(share=0.5)
WORDS = st.sampled_from(
    [
        "sort",
        "the",
        "list",
        "of",
        "numbers",
        "words",
        "and",
        "return",
        "its",
        "sum",
        "largest",
        "first",
        "second",
    ]
)
NAMES = st.sampled_from(["to_float", "toFloat", "to_int", "solve", "_solve", "is_even", "main", "test_it"])


def row(instruction, *names):
    code = "\n".join(f"def {name}(x):\n    return x\n" for name in names)
    return {"instruction": instruction, "response": f"Text.\n\n```python\n{code}```"}


ROWS = st.lists(
    st.builds(
        lambda words, names: row(" ".join(words), *names),
        st.lists(WORDS, min_size=1, max_size=12),
        st.lists(NAMES, max_size=2),
    ),
    max_size=12,
)


def are_twins(one, other):
    texts = [normalized_instruction(each["instruction"]) for each in (one, other)]
    similarity = jaccard(*(shingles(text, SETTINGS.ngram) for text in texts))
    common = implementation_names(one["response"]) & implementation_names(other["response"])
    # One in 30 pairs at the very threshold is not a candidate of the index (dedup.RECALL_AT_THRESHOLD).
    return bool(common) or similarity >= 0.8


@settings(deadline=None)
@given(ROWS)
def test_twins_are_in_one_cluster(rows):
    ids = cluster_ids(rows, SETTINGS)
    for one, first in zip(rows, ids, strict=True):
        for other, second in zip(rows, ids, strict=True):
            assert first == second or not are_twins(one, other)


@settings(deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_decides_nothing(rows, shuffle):
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    ids = cluster_ids(rows, SETTINGS)
    assert cluster_ids([rows[place] for place in order], SETTINGS) == [ids[place] for place in order]


def test_no_training_row_shares_a_cluster_with_a_held_out_one(tmp_path):
    generator = random.Random(0)
    stems = ["sum", "count", "sort", "reverse", "join", "split", "merge", "rank"]
    rows = [
        row(
            f"Write `{stem}_{number % 20}`: {stem} the values of table {number % 7}.", f"{stem}_{number % 20}"
        )
        for number in range(400)
        for stem in [generator.choice(stems)]
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    counts = hold_out_file(
        tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "dropped.jsonl", SETTINGS
    )
    kept, held = (list(read_jsonl(tmp_path / f"{name}.jsonl")) for name in ("out", "dropped"))
    assert counts.to_json() == {
        "step": "hold_out",
        "in": 400,
        "out": len(kept),
        "dropped": {"held_out": len(held)},
        "extra": {"clusters": len(set(cluster_ids(rows, SETTINGS)))},
    }
    assert len(kept) > 50
    assert len(held) > 50
    assert {each["reason"] for each in held} == {"held_out"}
    clusters = dict(zip(map(str, rows), cluster_ids(rows, SETTINGS), strict=True))
    assert {clusters[str(each)] for each in kept}.isdisjoint(each["detail"]["cluster"] for each in held)
    assert not any(are_twins(one, other) for one in kept for other in held)


def test_a_chain_of_twins_is_one_cluster():
    rows = [
        row("Turn text into a number.", "to_float"),
        row("Parse what the user has typed.", "toFloat", "read"),
        row("Get the next line of a file.", "READ"),
        row("Find the largest of some words.", "largest"),
    ]
    first, second, third, other = cluster_ids(rows, SETTINGS)
    assert first == second == third != other


def test_near_duplicates_of_a_near_duplicate_are_one_cluster():
    words = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ]
    texts = [" ".join(words[start : start + 9]) for start in (0, 2, 4)]
    parts = [shingles(text, SETTINGS.ngram) for text in texts]
    assert jaccard(parts[0], parts[1]) >= SETTINGS.threshold > jaccard(parts[0], parts[2])
    assert len(set(cluster_ids([row(text) for text in texts], SETTINGS))) == 1


def test_appended_assertions_do_not_hide_a_twin():
    plain = "Write a function that doubles a number."
    longer = (
        f"{plain}\n\nYour code should pass the following assertions:\n```python\nassert double(2) == 4\n```"
    )
    assert normalized_instruction(longer) == normalized_instruction(f"{plain.upper()}  ")


def test_names_are_those_of_every_block_without_tests():
    response = (
        "```python\ndef To_Float(x): ...\nclass Reader:\n    def read(self): ...\n```\n"
        "```python\ndef broken(:\n```\n```text\ndef other(): ...\n```\n"
        "```python\ndef test_to_float(): ...\ndef main(): ...\nasync def fetch(): ...\n```"
    )
    assert implementation_names(response) == {"tofloat", "reader", "fetch"}


def test_the_share_of_held_out_clusters_is_that_of_the_configuration():
    ids = cluster_ids([row(f"{number} {number} {number}") for number in range(2000)], SETTINGS)
    assert len(set(ids)) == 2000
    for share in (0.1, 0.4, 0.9):
        held = sum(is_held_out(each, share) for each in ids)
        assert abs(held / 2000 - share) < 0.035  # three standard deviations
    assert not any(is_held_out(each, 0.0) for each in ids)


def test_a_larger_share_only_adds_clusters():
    ids = cluster_ids([row(f"{number} {number} {number}") for number in range(200)], SETTINGS)
    few, many = ({each for each in ids if is_held_out(each, share)} for share in (0.2, 0.6))
    assert few < many


def test_a_later_round_keeps_its_distance_from_what_the_first_held_out(tmp_path):
    held = [row("Return the sum of the numbers in a list", "total")]
    rows = [
        row("Return the sum of the numbers in a list", "other"),  # the same instruction
        row("Multiply two words", "to_tal"),  # the same name
        row("Reverse the given text quickly and then return it", "turn"),
        row(
            "Something else entirely, about dates", "turn", "total"
        ),  # connects the row before with the held-out one
        row("Find the largest prime factor", "factor"),
    ]
    write_jsonl(tmp_path / "held.jsonl", held)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    counts = hold_out_file(
        *(tmp_path / name for name in ("rows.jsonl", "out.jsonl", "dropped.jsonl")),
        # A share that would hold out everything: in a later round, it decides nothing.
        SelfTestsConfig(share=0.999999),
        held_out_before=tmp_path / "held.jsonl",
    )
    assert list(read_jsonl(tmp_path / "out.jsonl")) == rows[4:]
    dropped = list(read_jsonl(tmp_path / "dropped.jsonl"))
    assert [each["reason"] for each in dropped] == ["similar_to_held_out"] * 4
    assert len({each["detail"]["cluster"] for each in dropped}) == 1
    assert counts.dropped == {"similar_to_held_out": 4}
