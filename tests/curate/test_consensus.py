"""The best response to each instruction, by agreement."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.curate.test_quality import response

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.curate.consensus import consensus_file, rank

P, F, N = "passed", "assertion", "names_differ"


def matrix(verdicts, index=0, *, implementations=None, tests=None, unusable=None):
    """Return the row of a matrix; of each response its own implementation and tests, unless others are given."""
    ids = [[f"{index}.{number}"] for number in range(len(verdicts))]
    return {
        "index": index,
        "instruction": f"Task {index}.",
        "implementations": implementations or ids,
        "tests": tests or ids,
        "verdicts": verdicts,
        "unusable": unusable or {},
    }


def row(name, **fields):
    index, number = map(int, name.split("."))
    lineage = {"sample": {"number": number}}
    return {**response(), "index": index, "instruction": f"Task {index}.", "lineage": lineage, **fields}


@pytest.fixture
def consensus(tmp_path):
    """A function that runs the step; returns counts, the kept rows and the dropped rows by id."""

    def run(rows, matrices):
        write_jsonl(tmp_path / "rows.jsonl", rows)
        halves = matrices[:1], matrices[1:]
        files = [tmp_path / "0000.jsonl", tmp_path / "0001.jsonl"]
        for file, half in zip(files, halves, strict=True):
            write_jsonl(file, half)
        counts = consensus_file(
            tmp_path / "rows.jsonl", files, tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
        )
        kept, dropped = (list(read_jsonl(tmp_path / name)) for name in ("out.jsonl", "dropped.jsonl"))
        of = {f"{each['index']}.{each['lineage']['sample']['number']}": each for each in dropped}
        return counts.to_json(), kept, of

    return run


def test_the_largest_agreement_wins(consensus):
    # 0 and 2 pass the same three tests; 1 passes two tests alone; 3 passes its own only.
    verdicts = [[P, F, P, F, P], [F, P, F, F, P], [P, F, P, F, P], [F, F, F, P, F], [F, F, F, F, F]]
    counts, kept, dropped = consensus([row(f"0.{n}") for n in range(4)], [matrix(verdicts)])
    assert counts["dropped"] == {"no_agreement": 1, "other_response": 2}
    assert kept == [
        {
            **row("0.0"),
            "lineage": {
                "sample": {"number": 0},
                "consensus": {
                    "responses": 5,
                    "score": 6,
                    "group": ["0.0", "0.2"],
                    "passes_tests_of": ["0.2", "0.4"],
                },
            },
        }
    ]
    assert dropped["0.1"]["detail"] == {"kept": "0.0", "score": 2}
    assert dropped["0.2"]["detail"] == {"kept": "0.0", "score": 6}
    assert dropped["0.3"]["reason"] == "no_agreement"


def test_of_equal_scores_more_tests_win_then_the_smallest_sample_number(consensus):
    # Two implementations with one test, and one with two tests.
    verdicts = [[F, P, F], [F, P, F], [P, F, P]]
    _, kept, _ = consensus([row("0.0"), row("0.2")], [matrix(verdicts)])
    assert [each["lineage"]["sample"]["number"] for each in kept] == [2]
    # By number, not by text: 0.9 before 0.10.
    ids = [["0.10"], ["0.9"]]
    _, kept, _ = consensus(
        [row("0.10"), row("0.9")], [matrix([[P, P], [P, P]], implementations=ids, tests=ids)]
    )
    assert kept[0]["lineage"]["consensus"]["group"] == ["0.9", "0.10"]
    assert kept[0]["lineage"]["sample"]["number"] == 9


def test_copies_do_not_agree(consensus):
    copies = [["0.0", "0.1", "0.2"], ["0.3"]]
    rows = [row(f"0.{n}") for n in range(4)]
    # The same implementation and tests thrice: one implementation, one test.
    counts, _, _ = consensus(rows, [matrix([[P, F], [F, P]], implementations=copies, tests=copies)])
    assert counts["dropped"] == {"no_agreement": 4}
    # Other tests of the same implementation are evidence.
    tests = [["0.0"], ["0.1"], ["0.2"], ["0.3"]]
    verdicts = [[P, F, P, F], [F, F, F, P]]
    _, kept, dropped = consensus(rows, [matrix(verdicts, implementations=copies, tests=tests)])
    assert kept[0]["lineage"]["consensus"] == {
        "responses": 4,
        "score": 2,
        "group": ["0.0", "0.1", "0.2"],
        "passes_tests_of": ["0.2"],
    }
    assert [dropped[name]["reason"] for name in ("0.1", "0.2", "0.3")] == [
        "other_response",
        "other_response",
        "no_agreement",
    ]


def test_the_same_tests_agree_if_another_implementation_passes_them(consensus):
    tests = [["0.0", "0.1"]]
    counts, _, _ = consensus([row("0.0")], [matrix([[P], [F]], tests=tests)])
    assert counts["dropped"] == {"no_agreement": 1}
    _, kept, _ = consensus([row("0.0"), row("0.1")], [matrix([[P], [P]], tests=tests)])
    assert kept[0]["lineage"]["consensus"]["passes_tests_of"] == ["0.1"]
    assert kept[0]["lineage"]["consensus"]["score"] == 2


def test_the_choice_is_among_rows_that_pass_the_quality_filters(consensus):
    verdicts = [[P, P], [P, P]]
    incomplete = row("0.0", response=response("def f(x):\n    pass")["response"])
    rows = [incomplete, row("0.1"), row("0.2")]
    counts, kept, dropped = consensus(rows, [matrix(verdicts, unusable={"0.2": "no_name_used"})])
    assert counts == {
        "step": "consensus",
        "in": 3,
        "out": 1,
        "dropped": {"incomplete_code": 1, "not_in_matrix": 1},
    }
    assert kept[0]["lineage"]["sample"]["number"] == 1
    assert dropped["0.2"]["detail"] == "no_name_used"


def test_matrices_of_several_files_and_instructions_without_rows(consensus):
    matrices = [matrix([[P, P], [P, P]], index) for index in range(4)]
    _, kept, _ = consensus([row("1.1"), row("3.0"), row("3.1")], matrices)
    assert [each["index"] for each in kept] == [1, 3]


def test_rows_of_another_run_are_refused(consensus):
    matrices = [matrix([[P, P], [P, P]], index) for index in (1, 2)]
    for rows in ([row("3.0")], [row("2.0"), row("1.0")]):
        with pytest.raises(DataError, match=r"rows.jsonl.*no matrix for the rows with index [31]"):
            consensus(rows, matrices)
    with pytest.raises(
        DataError, match=r"0000.jsonl, record 1, field 'verdicts': expected a list, found str"
    ):
        consensus([row("1.0")], [{**matrices[0], "verdicts": "passed"}])


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(
            st.lists(st.sampled_from([P, F, N]), min_size=n, max_size=n), min_size=n, max_size=n
        )
    )
)
def test_scores_are_those_of_the_definition(verdicts):
    standings = rank(matrix(verdicts))
    size = range(len(verdicts))
    for one in size:
        passed = [test for test in size if verdicts[one][test] == P]
        same = [
            other for other in size if all((verdicts[one][t] == P) == (verdicts[other][t] == P) for t in size)
        ]
        standing = standings[f"0.{one}"]
        assert standing.score == len(same) * len(passed)
        assert standing.group == [f"0.{other}" for other in same]
        assert standing.agreeing == [f"0.{test}" for test in passed if test != one]


def test_the_order_of_the_rows_does_not_matter(consensus):
    verdicts = [[P, P, F], [P, P, F], [P, F, P]]
    chosen = {
        consensus([row(f"0.{n}") for n in order], [matrix(verdicts)])[1][0]["lineage"]["sample"]["number"]
        for order in itertools.permutations(range(3))
    }
    assert chosen == {0}


OTHER = {"instruction": "Another task."}


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        ([row("0.0"), row("0.0")], {}, r"record 2, field 'index'.*same sample number.*record 1 of"),
        ([row("0.0", index=None)], {}, r"rows.jsonl, record 1, field 'index': expected the index"),
        ([row("0.0", index=True)], {}, r"rows.jsonl, record 1, field 'index': expected the index"),
        (
            [row("0.0", lineage={"sample": {"number": "1"}})],
            {},
            r"'lineage.sample.number': expected an integer",
        ),
        ([row("0.0"), row("0.1", **OTHER)], {}, r"record 2, field 'instruction': .*another one"),
        (
            [row("0.0")],
            OTHER,
            r"rows.jsonl, record 1, field 'instruction': the matrix with index 0 has another",
        ),
        ([row("0.0")], {"instruction": 1}, r"record 1, field 'instruction': expected a string"),
        ([row("0.0")], {"implementations": ["0.0", "0.1"]}, r"'implementations': expected a list of lists"),
        ([row("0.0")], {"implementations": [["0.0"], [1]]}, r"expected ids such as '0.0', found 1"),
        ([row("0.0")], {"tests": [["0.0"], ["1.1"]]}, r"'tests': expected ids such as '0.0', found '1.1'"),
        ([row("0.0")], {"tests": [["0.0"], ["0.x"]]}, r"'tests': expected ids such as '0.0', found '0.x'"),
        ([row("0.0")], {"tests": [["0.0"], ["0.0"]]}, r"'tests': expected each response once"),
        ([row("0.0")], {"tests": [["0.0"], ["0.2"]]}, r"'tests': expected the same responses as"),
        ([row("0.0")], {"verdicts": [[P, P]]}, r"'verdicts': expected 2 lists of 2 strings"),
        ([row("0.0")], {"verdicts": [[P, P], [P]]}, r"'verdicts': expected 2 lists of 2 strings"),
        ([row("0.0")], {"verdicts": [[P, P], [P, 1]]}, r"'verdicts': expected 2 lists of 2 strings"),
    ],
)
def test_rows_and_matrices_that_do_not_belong_together_are_named(consensus, tmp_path, rows, changes, message):
    with pytest.raises(DataError, match=message):
        consensus(rows, [{**matrix([[P, P], [P, P]]), **changes}])
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "dropped.jsonl").exists()


def test_the_appended_assertions_are_not_another_instruction(consensus):
    augmented = row(
        "0.0", instruction="Task 0.\n\nYour code should pass the following assertion: assert f(1)"
    )
    assert consensus([augmented], [matrix([[P, P], [P, P]])])[0]["out"] == 1


def test_a_second_matrix_of_an_instruction_is_refused(consensus):
    again = matrix([[P, P], [P, P]])
    with pytest.raises(DataError, match=r"0001.jsonl, record 1, field 'index': found a second matrix"):
        consensus([row("0.0"), row("1.0")], [again, again, matrix([[P]], 1)])
    with pytest.raises(DataError, match=r"0001.jsonl, record 1, field 'index': found a second matrix"):
        consensus([row("0.0")], [again, again])
