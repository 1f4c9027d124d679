"""The filter against the reference's output, and its own rules."""

import json

import pytest
from tests.vectors import VECTORS

from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.execute.filter import execute_file
from selfalign.execute.program import reference_program, response_program


def fenced(code: str) -> str:
    return f"text\n\n```python\n{code}\n```\n"


@pytest.mark.faithful
@pytest.mark.parametrize("runtime", ["bubblewrap", "none"])
def test_keeps_exactly_the_rows_of_the_reference_in_input_order(runtime, tmp_path):
    # Docker's and Podman's are in tests/sandbox/test_engines.py.
    counts = execute_file(
        VECTORS / "responses.jsonl",
        tmp_path / "out.jsonl",
        verdicts=tmp_path / "verdicts.jsonl",
        runtime=runtime,
        faithful=True,
    )
    assert (tmp_path / "out.jsonl").read_bytes() == (VECTORS / "filtered.jsonl").read_bytes()
    assert (counts.records_in, counts.records_out) == (210, 141)
    assert len(list(read_jsonl(tmp_path / "verdicts.jsonl"))) == 210


def test_keeps_the_rows_of_the_reference_whose_tests_ran(tmp_path):
    counts = execute_file(
        VECTORS / "responses.jsonl", tmp_path / "out.jsonl", dropped=tmp_path / "dropped.jsonl"
    )
    assert dict(counts.dropped) == {
        "assertion": 9,
        "exception": 54,
        "no_assertion": 26,
        "syntax": 6,
        "tests_not_run": 9,
    }
    kept, reference = (
        (each / name).read_text().splitlines()
        for each, name in ((tmp_path, "out.jsonl"), (VECTORS, "filtered.jsonl"))
    )
    assert kept == [row for row in reference if row in set(kept)]
    # The others are not run, print instead of asserting, or have a test block that is not closed.
    dropped = [row for row in read_jsonl(tmp_path / "dropped.jsonl") if row["reason"] == "no_assertion"]
    tests = [row["response"].partition("[Tests]")[2] for row in dropped]
    assert all("print(" in text or text.count("```") < 2 for text in tests)


def test_early_exit_fails_unless_faithful(tmp_path):
    rows = [
        {"response": fenced("import sys\nsys.exit(0)\nassert False")},
        {"response": fenced("assert 1 + 1 == 2")},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    strict = execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", dropped=tmp_path / "dropped.jsonl")
    assert (strict.records_out, dict(strict.dropped)) == (1, {"early_exit": 1})
    assert json.loads((tmp_path / "dropped.jsonl").read_text())["reason"] == "early_exit"
    assert execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", faithful=True).records_out == 2


def test_scope_decides_about_recursive_functions(tmp_path):
    recursive = "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nassert f(3) == 6"
    write_jsonl(tmp_path / "in.jsonl", [{"response": fenced(recursive)}])
    assert execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl").records_out == 0
    assert execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", scope="module").records_out == 1


def test_rows_have_one_response_each_and_none_is_lost(tmp_path):
    rows = [
        {"index": 0, "parsing_result": [{"response": fenced("assert not 0")}, {"response": "no code"}]},
        {"index": 1, "response": fenced("assert 0")},
    ]
    write_jsonl(tmp_path / "in.jsonl", rows)
    counts = execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", verdicts=tmp_path / "verdicts.jsonl")
    assert list(read_jsonl(tmp_path / "out.jsonl")) == [{"index": 0, "response": fenced("assert not 0")}]
    assert dict(counts.dropped) == {"assertion": 1, "no_program": 1}
    assert [row["status"] for row in read_jsonl(tmp_path / "verdicts.jsonl")] == [
        "passed",
        "no_program",
        "assertion",
    ]


def test_the_reference_leaves_out_blocks_that_do_not_parse():
    response = fenced("a = 1") + fenced("a = = 2") + "```\nnot python\n```\n" + fenced("assert a")
    assert reference_program(response) == "a = 1\n\nassert a\n"
    assert reference_program("```py\na = 1\n```") is None


def test_a_program_is_all_blocks_and_knows_where_its_tests_begin():
    def tests_line(response: str) -> int:
        program = response_program(response)
        assert program is not None
        return program.tests_line

    response = fenced("a = 1\nb = 2") + fenced("a = = 2") + "[Tests]\n" + fenced("assert a")
    program = response_program(response)
    assert program is not None
    assert program.source.splitlines()[program.tests_line - 1] == "assert a"
    assert "a = = 2" in program.source
    for heading in ("### Unit tests:", "**Test**", "tests"):
        assert tests_line(fenced("a = 1") + heading + "\n" + fenced("assert a")) == 3
    assert tests_line(fenced("a = 1") + fenced("assert a")) == 1
    assert tests_line(fenced("# Tests") + fenced("assert a")) == 1, "a heading is outside the blocks"
    assert tests_line("Tests\n" + fenced("assert a")) == 1, "a block is before the heading"
    assert response_program("```py\na = 1\n```") is None


def test_a_second_run_executes_nothing_and_gives_the_same_bytes(tmp_path, monkeypatch):
    write_jsonl(tmp_path / "in.jsonl", [{"response": fenced(f"assert {n} % 3")} for n in range(6)])
    for name in ("first", "second"):
        if name == "second":
            monkeypatch.setattr("selfalign.sandbox.pool.Pool._run_all", None)
        out = [tmp_path / f"{name}.{kind}" for kind in ("rows", "verdicts")]
        counts = execute_file(
            tmp_path / "in.jsonl", out[0], verdicts=out[1], cache=tmp_path / "cache", runtime="bubblewrap"
        )
        assert counts.records_out == 4
    for kind in ("rows", "verdicts"):
        assert (tmp_path / f"first.{kind}").read_bytes() == (tmp_path / f"second.{kind}").read_bytes()


def test_verdicts_are_the_same_bytes_every_run(tmp_path):
    """No times, and no addresses: a new sandbox puts the same object elsewhere."""
    failing = "class A:\n    pass\nassert not A(), f'{A()} is {0xff:#x}'"
    write_jsonl(tmp_path / "in.jsonl", [{"response": fenced(failing)}])
    written = []
    for _ in range(2):
        execute_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", verdicts=tmp_path / "verdicts.jsonl")
        written.append((tmp_path / "verdicts.jsonl").read_text())
    assert written[0] == written[1]
    assert "A object at 0x...> is 0xff" in json.loads(written[0])["stderr"]
