from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.dedup.bands import count_bands, steep_bands
from selfalign.dedup.minhash import exact_duplicates, jaccard, near_duplicates, shingles
from selfalign.seeds.duplicates import deduplicate_units
from selfalign.seeds.minhash_nodes import cut_unit, write_cuts, write_pairs, write_signatures

SETTINGS = NearDuplicatesConfig(ngram=1, permutations=128)
WORDS = [f"w{number}" for number in range(60)]


def corpus(size: int, seed: int = 0) -> list[str]:
    """Texts of which about half are changed copies of earlier ones."""
    draw = random.Random(seed)
    texts: list[str] = []
    for _ in range(size):
        words = draw.choice(texts).split() if texts and draw.random() < 0.5 else draw.sample(WORDS, 20)
        for _ in range(draw.randrange(10)):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    return texts


def families(number: int, seed: int = 0) -> list[str]:
    """Texts of which every fourth is new and the next three are changed copies of it."""
    draw = random.Random(seed)
    texts: list[str] = []
    for index in range(number):
        if index % 4 == 0:
            original = [f"w{draw.randrange(5000)}" for _ in range(40)]
        words = list(original)
        for _ in range(draw.randrange(12) if index % 4 else 0):
            words[draw.randrange(len(words))] = f"w{draw.randrange(5000)}"
        texts.append(" ".join(words))
    return draw.sample(texts, len(texts))


def test_shingles():
    assert shingles("a b_c, d", 2) == {"a b_c", "b_c d"}
    assert shingles("a", 5) == {"a"}
    assert jaccard({"a", "b"}, {"b", "c"}) == 1 / 3


def test_bands_find_a_pair_at_the_threshold():
    for threshold in (0.3, 0.5, 0.7, 0.9):
        bands = count_bands(threshold, 256)
        assert 1 - (1 - threshold ** (256 // bands)) ** bands >= 0.97


def test_unchecked_bands_match_half_of_the_pairs_near_the_threshold():
    for threshold in (0.5, 0.7, 0.9):
        bands, rows = steep_bands(threshold, 256)
        assert bands * rows <= 256
        assert abs((1 / bands) ** (1 / rows) - threshold) < 0.02


def test_many_nodes_find_the_same_duplicates(tmp_path):
    """The stages of datatrove over three units, against every pair's exact similarity."""
    texts = families(300)
    units = [texts[:100], texts[100:110], texts[110:]]
    config = NearDuplicatesConfig(ngram=1, permutations=256)
    bands, _ = steep_bands(config.threshold, config.permutations)
    for rank, unit in enumerate(units):
        write_jsonl(tmp_path / f"{rank}.jsonl", ({"seed": text} for text in unit))
        write_signatures(tmp_path / f"{rank}.jsonl", tmp_path / "signatures", rank, config)
    for band in range(bands):
        write_pairs(tmp_path / "signatures", tmp_path / "pairs", band, config)
    cuts = [tmp_path / f"{rank}.cuts" for rank in range(3)]
    write_cuts(tmp_path / "pairs", tmp_path / "work", cuts, config)
    kept, dropped = [], []
    for rank in range(3):
        step = cut_unit(tmp_path / f"{rank}.jsonl", cuts[rank], tmp_path / "out", tmp_path / "dropped")
        assert step.records_in == len(units[rank])
        kept += [row["seed"] for row in read_jsonl(tmp_path / "out")]
        dropped += [row["seed"] for row in read_jsonl(tmp_path / "dropped")]
    assert sorted(kept + dropped) == sorted(texts)
    assert len(set(kept)) == len(kept)
    alike = {i for i, twin in enumerate(exact_duplicates(texts, config)) if twin is not None}
    found = {i for i, text in enumerate(texts) if text in dropped}
    assert len(found & alike) / len(alike) > 0.9
    assert len(found & alike) / len(found) > 0.8


def test_what_is_dropped_is_a_near_duplicate_and_few_are_missed():
    texts = corpus(400)
    found = list(near_duplicates(texts, SETTINGS))
    exact = list(exact_duplicates(texts, SETTINGS))
    for text, twin in zip(texts, found, strict=True):
        assert twin is None or jaccard(shingles(text, 1), shingles(texts[twin], 1)) >= 0.5
    truly = {i for i, twin in enumerate(exact) if twin is not None}
    dropped = {i for i, twin in enumerate(found) if twin is not None}
    assert len(truly) > 50
    assert len(truly & dropped) / len(truly) > 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_later_texts_change_nothing_in_earlier_ones(seed, cut):
    texts = corpus(40, seed)
    assert list(near_duplicates(texts, SETTINGS))[:cut] == list(near_duplicates(texts[:cut], SETTINGS))


def test_units_are_deduplicated_in_their_order(tmp_path):
    one = "alpha beta gamma delta epsilon zeta eta theta"
    near = one.replace("theta", "iota")
    write_jsonl(tmp_path / "a.jsonl", [{"seed": one, "sha1": "first"}, {"seed": "quite another"}])
    write_jsonl(tmp_path / "b.jsonl", [{"seed": one}, {"seed": near}, {"seed": "a third"}])
    steps = deduplicate_units(
        [tmp_path / "a.jsonl", tmp_path / "b.jsonl"],
        [tmp_path / "a.out", tmp_path / "b.out"],
        tmp_path / "dropped.jsonl",
        SETTINGS,
    )
    assert len(list(read_jsonl(tmp_path / "a.out"))) == 2
    assert [row["seed"] for row in read_jsonl(tmp_path / "b.out")] == ["a third"]
    dropped = list(read_jsonl(tmp_path / "dropped.jsonl"))
    assert [(row["reason"], row["detail"]) for row in dropped] == [
        ("duplicate", "first"),
        ("near_duplicate", "first"),
    ]
    assert [(step.records_in, step.records_out) for step in steps] == [(5, 4), (4, 3)]
