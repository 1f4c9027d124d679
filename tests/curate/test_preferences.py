"""Pairs of a chosen and a rejected response, by the tests that their code passes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.curate.test_consensus import F, N, P, matrix
from tests.curate.test_quality import response

from selfalign.benchmarks import load_benchmark
from selfalign.contamination import find_sources
from selfalign.core.config.curation import ExportConfig, QualityConfig
from selfalign.core.errors import DataError
from selfalign.core.filtering import Keep, run_filters
from selfalign.core.jsonl import read_jsonl, write_json, write_jsonl
from selfalign.core.lineage import row_id
from selfalign.curate.card import write_preference_card
from selfalign.curate.export import write_parquet
from selfalign.curate.preferences import Comparison, compare, preferences_file
from selfalign.curate.sanitize import sanitize_like, sanitizer

# The first two agree; the third fails one of their tests, the fourth both.
VERDICTS = [[P, P, F, F], [P, P, F, F], [P, F, P, F], [F, F, F, P]]


def generated(name, *, body="x + 1", tests="assert f(1) == 2", **fields):
    """Return a response as generated, with a request in its lineage."""
    index, number = map(int, name.split("."))
    lineage = {"sample": {"number": number}, "response": {"model": "m", "request_seed": number}}
    text = response(f"def f(x):\n    # step\n    return {body}", tests)["response"]
    return {"index": index, "instruction": f"Task {index}.", "response": text, "lineage": lineage, **fields}


def sanitized(row, seed=0):
    """Return a row as both passes of the sanitisation leave it."""
    outcome = run_filters(row, [sanitizer("raw", seed), sanitizer("smart", seed)])
    assert isinstance(outcome, Keep)
    return outcome.record


@pytest.fixture
def make(tmp_path):
    """A function that makes the pairs; returns counts, pairs, and the dropped rows by index."""

    def run(dataset, matrices, responses, **options):
        for name, rows in (("train", dataset), ("matrices", matrices), ("responses", responses)):
            write_jsonl(tmp_path / f"{name}.jsonl", rows)
        counts = preferences_file(
            tmp_path / "train.jsonl",
            [tmp_path / "matrices.jsonl"],
            [tmp_path / "responses.jsonl"],
            tmp_path / "pairs.jsonl",
            tmp_path / "dropped.jsonl",
            **options,
        )
        pairs, dropped = (list(read_jsonl(tmp_path / f"{name}.jsonl")) for name in ("pairs", "dropped"))
        return counts.to_json(), pairs, {row["index"]: row for row in dropped}

    return run


def four(index=0, **changes):
    """Return four different responses, of which `changes` (by number) replace fields."""
    return [
        generated(f"{index}.{number}", body=f"x + {number + 1}", **changes.get(f"r{number}", {}))
        for number in range(4)
    ]


def test_the_rejected_response_passes_the_fewest_tests_of_the_best_group(make):
    responses = four()
    chosen = sanitized(responses[1])
    counts, pairs, dropped = make([chosen], [matrix(VERDICTS)], responses)
    assert counts == {
        "step": "preferences",
        "in": 1,
        "out": 1,
        "dropped": {},
        "extra": {"instructions": 1},
    }
    assert dropped == {}
    (pair,) = pairs
    assert pair["index"] == 0
    assert pair["instruction"] == chosen["instruction"]
    assert pair["chosen"] == chosen["response"]
    assert "return x + 4" in pair["rejected"]
    assert pair["lineage"] == {
        **chosen["lineage"],
        "preference": {
            "chosen": "0.1",
            "rejected": "0.3",
            "score": 4,
            "group": ["0.0", "0.1"],
            "chosen_passes_tests_of": ["0.0", "0.1"],
            "rejected_passes_tests_of": ["0.3"],
            "rejected_fails_tests_of": ["0.0", "0.1"],
            "rejected_fails_own_tests": False,
            "rejected_lineage": {
                "response": {"model": "m", "request_seed": 3},
                "sample": {"number": 3},
            },
        },
    }


def test_there_are_several_pairs_with_different_implementations(make):
    responses = four()
    copy = {**generated("0.4"), "response": responses[3]["response"]}
    ids = [["0.0"], ["0.1"], ["0.2"], ["0.3", "0.4"]]
    whole = matrix(VERDICTS, implementations=ids, tests=ids)
    dataset = [sanitized(responses[0])]
    for wanted, found in ((1, ["0.3"]), (2, ["0.3", "0.2"]), (9, ["0.3", "0.2"])):
        counts, pairs, _ = make(dataset, [whole], [*responses, copy], max_pairs=wanted)
        assert [pair["lineage"]["preference"]["rejected"] for pair in pairs] == found
        assert (counts["in"], counts["out"], counts["extra"]["instructions"]) == (1, len(found), 1)


def test_the_sections_are_those_of_the_chosen_response(make):
    kept = set()
    for seed in range(12):
        responses = four()
        chosen = sanitized(responses[0], seed)
        _, (pair,), _ = make([chosen], [matrix(VERDICTS)], responses)
        for prose in ("r", "e"):
            assert (f"{prose}\n\n" in pair["chosen"]) == (f"{prose}\n\n" in pair["rejected"])
        assert "assert" not in pair["chosen"] + pair["rejected"]
        assert "# step" not in pair["chosen"] + pair["rejected"]
        assert pair["chosen"].replace("x + 1", "x + 4") == pair["rejected"]
        kept.add(pair["rejected"])
    assert len(kept) == 3 + 1  # with and without reasoning, with and without explanation


@given(
    seed=st.integers(0, 2**16),
    instruction=st.sampled_from(["Write f.", "Write f and test it.", "Write f, for example f(1) == 2."]),
    body=st.sampled_from(["x + 1", "x\n\n    # after a blank line\n    return 1"]),
)
def test_a_response_sanitised_like_its_own_row_is_that_of_the_row(seed, instruction, body):
    row = generated("0.0", body=body, instruction=instruction)
    final = sanitized(row, seed)
    again = sanitize_like(final, row["response"])
    assert isinstance(again, Keep)
    assert again.record == final


REASONS = {
    "its tests are passed by no other": (
        [[P, F], [F, P]],
        {},
        "no_agreement",
    ),
    "another group is larger": (
        [[P, P, F, F, F], [F, P, F, F, F], [F, F, P, P, P], [F, F, P, P, P], [F, F, P, P, P]],
        {},
        "not_in_best_group",
    ),
    "all agree": ([[P, P], [P, P]], {}, "no_failing_response"),
    "it has no tests of its own": ([[P, P]], {"0.0": "no_name_used"}, "not_in_matrix"),
}  # fmt: skip


@pytest.mark.parametrize("case", REASONS)
def test_an_instruction_without_a_pair_is_dropped_with_the_reason(case, make):
    verdicts, unusable, reason = REASONS[case]
    ids = [[f"0.{number}"] for number in range(len(verdicts))]
    if unusable:
        ids, verdicts = [["0.1"], ["0.2"]], [[P, P], [P, P]]
    whole = matrix(verdicts, implementations=ids, tests=ids, unusable=unusable)
    responses = [generated(f"0.{number}") for number in range(5)]
    counts, pairs, dropped = make([sanitized(responses[0])], [whole], responses)
    assert pairs == []
    assert counts["dropped"] == {reason: 1}
    assert (counts["in"], counts["out"], counts["extra"]["instructions"]) == (1, 0, 0)
    assert dropped[0]["reason"] == reason
    if unusable:
        assert dropped[0]["detail"] == "no_name_used"


def test_failing_responses_that_no_training_row_could_be_are_left_out(make):
    unusable = {
        "r2": {"response": response("def f(x):\n    # TODO\n    return x + 3")["response"]},
        "r3": {"response": response("def f(x):\n    ...")["response"]},
    }
    responses = four(**unusable)
    dataset = [sanitized(responses[0])]
    counts, pairs, dropped = make(dataset, [matrix(VERDICTS)], responses)
    assert pairs == []
    assert counts["dropped"] == {"no_usable_failing_response": 1}
    assert dropped[0]["detail"] == {"0.3": "incomplete_code", "0.2": "unfinished"}
    # A filter that is off for the rows is off for the pairs.
    quality = QualityConfig(complete_code=False)
    _, (pair,), _ = make(dataset, [matrix(VERDICTS)], responses, quality=quality)
    assert pair["lineage"]["preference"]["rejected"] == "0.3"


def test_a_rejected_response_with_text_of_a_benchmark_is_left_out(make):
    task = load_benchmark("humaneval").tasks[10]
    leaked = response(f"def f(x):\n    return x + 4\n\n{task.prompt}{task.canonical_solution}")["response"]
    responses = four(r3={"response": leaked})
    dataset = [sanitized(responses[0])]
    for sources, rejected in ((find_sources(["humaneval"]), "0.2"), ([], "0.3")):
        _, (pair,), _ = make(dataset, [matrix(VERDICTS)], responses, sources=sources)
        assert pair["lineage"]["preference"]["rejected"] == rejected


def test_only_instructions_of_the_data_set_have_pairs_in_its_order(make):
    responses = [each for index in range(4) for each in four(index)]
    matrices = [matrix(VERDICTS, index) for index in range(4)]
    # 1 was held out, or dropped by a filter.
    dataset = [sanitized(responses[4 * index]) for index in (3, 0, 2)]
    counts, pairs, _ = make(dataset, matrices, responses)
    assert [pair["index"] for pair in pairs] == [3, 0, 2]
    assert counts["in"] == 3


def test_of_several_rows_of_an_instruction_the_best_is_chosen(make):
    responses = four()
    dataset = [sanitized(responses[number]) for number in (2, 1, 0)]
    counts, (pair,), _ = make(dataset, [matrix(VERDICTS)], responses)
    assert pair["lineage"]["preference"]["chosen"] == "0.0"
    assert counts["in"] == 1


def test_rows_of_another_run_are_refused(make):
    responses = four()
    with pytest.raises(DataError, match="no matrix for the rows with index 0"):
        make([sanitized(responses[0])], [matrix(VERDICTS, 1)], responses)
    with pytest.raises(DataError, match=r"responses of the matrices in the files .* not 0\.2"):
        make([sanitized(responses[0])], [matrix(VERDICTS)], responses[:2])
    row = sanitized(responses[0])
    del row["index"]
    with pytest.raises(DataError, match="expected the index of the seed"):
        make([row], [matrix(VERDICTS)], responses)
    with pytest.raises(
        DataError, match=r"train.jsonl, record 1, field 'response': found section tags.*--pass smart"
    ):
        make(responses[:1], [matrix(VERDICTS)], responses)
    row = sanitized(responses[0])
    other = [{**each, "instruction": "Another task."} for each in responses]
    with pytest.raises(
        DataError, match=r"train.jsonl, record 1, field 'instruction': the matrix with index 0 has another"
    ):
        make([sanitized(other[0])], [matrix(VERDICTS)], other)
    with pytest.raises(DataError, match=r"responses.jsonl.*'instruction'.*of one run"):
        make([row], [matrix(VERDICTS)], other)
    with pytest.raises(DataError, match=r"responses.jsonl, record 5.*expected each sample once"):
        make([row], [matrix(VERDICTS)], [*responses, responses[3]])
    with pytest.raises(DataError, match=r"matrices.jsonl, record 2.*found a second matrix with index 0"):
        make([row], [matrix(VERDICTS), matrix(VERDICTS)], responses)


grids = st.integers(1, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.sampled_from([P, F, N, "timeout"]), min_size=size, max_size=size),
        min_size=size,
        max_size=size,
    )
)


@given(verdicts=grids, data=st.data())
def test_every_pair_keeps_the_rule(verdicts, data):
    count = len(verdicts)
    for number, row in enumerate(verdicts):
        row[number] = F if row[number] == N else row[number]  # its own names never differ
    names = [f"0.{number}" for number in range(count)]
    rows = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    found = compare([generated(name) for name in rows], matrix(verdicts))
    passed = [{column for column in range(count) if row[column] == P} for row in verdicts]
    # The score of an implementation, and whether it passes the tests of another response.
    scores = [passed.count(each) * len(each) for each in passed]
    agrees = [bool(passed[number] - {number}) for number in range(count)]
    best = max((scores[number] for number in range(count) if agrees[number]), default=None)
    good = {name for name in rows if agrees[int(name[2:])] and scores[int(name[2:])] == best}
    failing = {}
    for name in good:
        tests = passed[int(name[2:])]
        failing[name] = {
            f"0.{number}"
            for number in range(count)
            if any(verdicts[number][column] not in (P, N) for column in tests)
            or (verdicts[number][number] != P and all(verdicts[number][column] == N for column in tests))
        }
    if not isinstance(found, Comparison):
        assert not any(failing.values())
        return
    chosen = row_id(found.chosen)
    assert chosen in good
    rejected = [each.name for each in found.rejected]
    assert sorted(rejected) == sorted(failing[chosen])
    assert not set(rejected) & set(found.standing.group)
    agreed = [len(passed[int(name[2:])] & passed[int(chosen[2:])]) for name in rejected]
    assert agreed == sorted(agreed)


def test_the_pairs_are_a_data_set_with_a_card(make, tmp_path):
    import pyarrow.parquet as pq

    responses = four()
    for each in responses:
        each["lineage"]["seed"] = {"package": "toolz", "version": "1.0.0", "license": "BSD"}
    counts, pairs, _ = make([sanitized(responses[0])], [matrix(VERDICTS)], responses)
    write_parquet(tmp_path / "pairs.jsonl", tmp_path / "pairs.parquet")
    (row,) = pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    assert {**row, "lineage": json.loads(row["lineage"])} == pairs[0]
    funnel = tmp_path / "funnel.json"
    write_json(funnel, {"steps": [{"stage": "preferences", **counts}]})
    write_preference_card(
        tmp_path / "README.md",
        pairs=tmp_path / "pairs.jsonl",
        funnel=funnel,
        settings=ExportConfig(license="apache-2.0", title="Mine"),
        model="tiny",
        configuration={"curation": {"decontamination": {"ngram": 13}}},
        benchmarks=[{"name": "humaneval", "version": "2021-07"}],
    )
    card = (tmp_path / "README.md").read_text()
    assert "# Mine: preferences" in card
    assert "1 pairs of responses" in card
    assert "- toolz 1.0.0 (BSD): 1 rows" in card
    assert "| preferences | preferences | 1 | 1 |  |" in card
    assert "snakemake --cores all preferences/README.md" in card
    assert "path: train.parquet" in card
