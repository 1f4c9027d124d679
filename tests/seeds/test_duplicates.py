from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfalign.core.config.seeds import NearDuplicatesConfig
from selfalign.core.filtering import merge_counts
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.dedup import NearDuplicates, count_bands, jaccard, shingles
from selfalign.seeds import minhash_cuts
from selfalign.seeds.duplicates import deduplicate_units
from selfalign.seeds.functions import text_sha1
from selfalign.seeds.minhash_cuts import check_pairs, cut_unit, write_cuts
from selfalign.seeds.minhash_nodes import write_pairs, write_signatures

SETTINGS = NearDuplicatesConfig(ngram=1, num_perm=128)
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
    original: list[str] = []
    for index in range(number):
        if index % 4 == 0:
            original = [f"w{draw.randrange(5000)}" for _ in range(40)]
        words = list(original)
        for _ in range(draw.randrange(12) if index % 4 else 0):
            words[draw.randrange(len(words))] = f"w{draw.randrange(5000)}"
        texts.append(" ".join(words))
    return draw.sample(texts, len(texts))


def near_duplicates(texts: list[str]) -> list[str | None]:
    """Return, for each text, the kept one that the index finds it similar to."""
    index = NearDuplicates(SETTINGS)
    kept: list[str] = []
    found: list[str | None] = []
    for text in texts:
        number = index.add(text)
        if number is None:
            kept.append(text)
        found.append(None if number is None else kept[number])
    return found


def exact_duplicates(texts: list[str]) -> list[str | None]:
    """Return what :func:`near_duplicates` would if the index compared every pair."""
    kept: list[str] = []
    found: list[str | None] = []
    for text in texts:
        parts = shingles(text, SETTINGS.ngram)
        similar = (
            other for other in kept if jaccard(parts, shingles(other, SETTINGS.ngram)) >= SETTINGS.threshold
        )
        found.append(next(similar, None))
        if found[-1] is None:
            kept.append(text)
    return found


def test_shingles():
    assert shingles("a b_c, d", 2) == {"a b_c", "b_c d"}
    assert shingles("a", 5) == {"a"}
    assert jaccard({"a", "b"}, {"b", "c"}) == 1 / 3


def test_operators_belong_to_the_word_that_follows():
    assert shingles("a+ b == c,\n(-d)", 2) == {"a b", "b c", "c d"}
    assert shingles("a+ b == c,\n(-d)", 2, operators=True) == {"a +b", "+b ==c", "==c -d"}
    code = "return {0} * (x {1} y) {2} [z, w]"
    plain, other = (code.format("a", *each) for each in ("++", "-+"))
    for ngram in (1, 3):
        one, two = (shingles(text, ngram, operators=True) for text in (plain, other))
        assert jaccard(one, two) < jaccard(shingles(plain, ngram), shingles(other, ngram)) == 1


@pytest.mark.parametrize("nodes", [False, True])
def test_functions_that_differ_in_an_operator_are_two(nodes, tmp_path):
    add = 'def combine(a, b):\n    """Combine two numbers."""\n    return a + b'
    texts = [add, add.replace("+", "-")]
    for operators, kept in ((True, 2), (False, 1)):
        config = NearDuplicatesConfig(operators=operators, threshold=0.8)
        directory = tmp_path / str(operators)
        directory.mkdir()
        if nodes:
            rows, _, _ = on_many_nodes(directory, [texts], config)
        else:
            write_jsonl(directory / "in", ({"seed": text} for text in texts))
            deduplicate_units([directory / "in"], [directory / "out"], None, config)
            rows = list(read_jsonl(directory / "out"))
        assert len(rows) == kept


def test_bands_find_a_pair_at_the_threshold():
    for threshold in (0.3, 0.5, 0.7, 0.9):
        bands = count_bands(threshold, 256)
        assert 1 - (1 - threshold ** (256 // bands)) ** bands >= 0.97


def on_many_nodes(directory, units, config):
    """Run the jobs one after another; return the rows kept, the rows dropped and the counts, all units together."""
    paths = [directory / f"{rank}.jsonl" for rank in range(len(units))]
    for rank, unit in enumerate(units):
        write_jsonl(paths[rank], ({"seed": text} for text in unit))
        write_signatures(paths[rank], directory / "signatures", rank, config)
    pairs = []
    for band in range(count_bands(config.threshold, config.num_perm)):
        write_pairs(directory / "signatures", directory / "neighbours", band, config)
        pairs.append(directory / f"{band}.pairs")
        check_pairs(directory / f"neighbours/{band:05d}_00.dups", paths, pairs[-1], config)
    cuts = [directory / f"{rank}.cuts" for rank in range(len(units))]
    write_cuts(pairs, cuts)
    kept, dropped, counts = [], [], []
    for rank, path in enumerate(paths):
        steps = cut_unit(path, cuts[rank], directory / "out", directory / "dropped")
        assert steps[0].records_in == len(units[rank])
        kept += list(read_jsonl(directory / "out"))
        dropped += list(read_jsonl(directory / "dropped"))
        counts.append([step.to_json() for step in steps])
    return kept, dropped, counts


def test_many_nodes_find_what_one_node_finds(tmp_path):
    """Rows, reasons, details and counts, over three units with equal rows."""
    texts = families(300)
    texts[150:150] = texts[20:40]
    units = [texts[:100], texts[100:110], texts[110:]]
    config = NearDuplicatesConfig(ngram=1, num_perm=256)
    kept, dropped, counts = on_many_nodes(tmp_path, units, config)
    ours = [tmp_path / f"{rank}.one" for rank in range(3)]
    paths = [tmp_path / f"{rank}.jsonl" for rank in range(3)]
    exact, near = deduplicate_units(paths, ours, tmp_path / "dropped.one", config)
    assert kept == [row for path in ours for row in read_jsonl(path)]
    assert dropped == list(read_jsonl(tmp_path / "dropped.one"))
    assert exact.dropped["duplicate"] >= 20
    assert near.dropped["near_duplicate"] > 100
    for number, step in enumerate((exact, near)):
        assert merge_counts(step.step, (each[number] for each in counts)) == step.to_json()


def test_many_nodes_miss_few_near_duplicates_and_invent_none(tmp_path):
    """Against every pair's exact similarity, on texts of which many are just below the threshold."""
    texts = list(dict.fromkeys(corpus(400)))
    _, dropped, _ = on_many_nodes(tmp_path, [texts[:150], texts[150:]], SETTINGS)
    by_sha1 = {text_sha1(text): text for text in texts}
    for row in dropped:
        assert jaccard(shingles(row["seed"], 1), shingles(by_sha1[row["detail"]], 1)) >= SETTINGS.threshold
    exact = {text for text, kept in zip(texts, exact_duplicates(texts), strict=True) if kept is not None}
    found = {row["seed"] for row in dropped}
    assert len(exact) > 50
    assert len(found & exact) / len(exact) > 0.95
    assert len(found & exact) / len(found) > 0.95


def test_a_row_that_is_like_a_dropped_one_only_stays(tmp_path):
    chain = [" ".join(f"w{n}" for n in range(start, start + 30)) for start in (0, 8, 16)]
    kept, dropped, _ = on_many_nodes(tmp_path, [chain], NearDuplicatesConfig(ngram=1))
    assert [row["seed"] for row in kept] == [chain[0], chain[2]]
    assert [(row["reason"], row["detail"]) for row in dropped] == [("near_duplicate", text_sha1(chain[0]))]


def test_all_pairs_of_a_band_are_compared_up_to_a_number_of_texts(tmp_path, monkeypatch):
    """Beyond it, each text with those that are like none before it."""
    chain = [" ".join(f"w{n}" for n in range(start, start + 30)) for start in (0, 8, 16)]
    write_jsonl(tmp_path / "rows", ({"seed": text} for text in chain))
    (tmp_path / "neighbours").write_bytes(struct.pack("<8I", 0, 0, 0, 1, 0, 1, 0, 2))

    def pairs():
        config = NearDuplicatesConfig(ngram=1)
        check_pairs(tmp_path / "neighbours", [tmp_path / "rows"], tmp_path / "pairs", config)
        return [(pair["later"][1], pair["earlier"][1]) for pair in read_jsonl(tmp_path / "pairs")]

    assert pairs() == [(1, 0), (2, 1)]
    monkeypatch.setattr(minhash_cuts, "MAX_ALL_PAIRS", 2)
    assert pairs() == [(1, 0)]


def test_what_is_dropped_is_a_near_duplicate_and_few_are_missed():
    texts = corpus(400)
    found = near_duplicates(texts)
    exact = exact_duplicates(texts)
    for text, duplicate_of in zip(texts, found, strict=True):
        assert duplicate_of is None or jaccard(shingles(text, 1), shingles(duplicate_of, 1)) >= 0.5
    truly = {i for i, duplicate_of in enumerate(exact) if duplicate_of is not None}
    dropped = {i for i, duplicate_of in enumerate(found) if duplicate_of is not None}
    assert len(truly) > 50
    assert len(truly & dropped) / len(truly) > 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_later_texts_change_nothing_in_earlier_ones(seed, cut):
    texts = corpus(40, seed)
    assert near_duplicates(texts)[:cut] == near_duplicates(texts[:cut])


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
