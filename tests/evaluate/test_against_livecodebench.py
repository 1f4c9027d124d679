"""Our verdicts on LiveCodeBench answers are those of nvidia-livecodebench, but for differences that have a reason.

Its verdicts were recorded by ``record_peer.py`` (`make livecodebench-peer` records them anew and runs this test).
"""

from __future__ import annotations

import json

import pytest
from peer_records import EXECUTIONS, PROGRAMS, READERS, TEST_OUTPUTS, WRITERS, records
from record_peer import PACKAGE, RECORDED

from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer

FORGED = "an object that equals everything stays in the sandbox of the answer"
SPLICED = (
    "the peer inserts the text into an assertion, of which it may become another part than the expected value"
)
# Why we pass what the peer fails.
PASSED_HERE: dict[str, str] = {
    **{
        f"{reader}, {writer}": "the peer's standard streams are texts without buffers or descriptors, and its open is that of io"
        for reader in READERS
        for writer in WRITERS
        if writer in ("stdout.buffer", "os.write") or reader.startswith(("buffer", "open(0", "os."))
    },
    "program: statement after the guard": "the peer runs the block of a main guard only at the end of a program",
    "program: global variable": "the peer makes the program a function, whose variables are not global",
    "program: class Solution": "the peer takes a text with 'class Solution' for one that is called",
    "program: future import": "the peer puts other imports before it",
    "program: quit": "the peer removes quit",
    "program: atexit": "the peer reads the output before the program ends",
    "call of function, and a class in a comment": "the peer looks for the text 'class Solution', in comments too",
}
# Why we fail what the peer passes.
FAILED_HERE: dict[str, str] = {
    "program: return": "no program, but the peer makes it a function",
    "call: equal to everything": FORGED,
    "test output: equal to everything": FORGED,
    "execution: equal to everything": FORGED,
    "test output: variable of the harness": "the peer evaluates the prediction where the expected output is a variable",
    "execution: disjunction": SPLICED,
    "execution: comparison of three": SPLICED,
    "execution: inequality": SPLICED,
    "execution: two statements": SPLICED,
    "execution: two lines": SPLICED,
    "execution: conditional": SPLICED,
}
BENCHMARKS = {
    PROGRAMS: "livecodebench",
    TEST_OUTPUTS: "livecodebench_tests",
    EXECUTIONS: "livecodebench_execution",
}


def task_of(record: dict) -> dict:
    """Return the task of a record as the benchmark publishes it."""
    common = {"question_id": record["id"], "question_content": ""}
    if record["scenario"] == EXECUTIONS:
        fields = {"id": record["id"], "function_name": "f", "input": record["call"]}
        return {**fields, "code": record["code"], "output": record["output"]}
    if record["scenario"] == TEST_OUTPUTS:
        case = {"input": "1", "output": record["output"], "testtype": "functional"}
        return {**common, "test_id": 0, "test": json.dumps([case]), "function_name": "f", "starter_code": ""}
    kind = "functional" if record["function"] else "stdin"
    cases = [{"input": given, "output": output, "testtype": kind} for given, output in record["cases"]]
    metadata = {"func_name": record["function"]} if record["function"] else {}
    return {
        **common,
        "starter_code": "",
        "metadata": json.dumps(metadata),
        "public_test_cases": json.dumps(cases),
        "private_test_cases": "[]",
    }


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads(RECORDED.read_text())


def test_the_verdicts_were_recorded_of_these_records(recorded):
    assert recorded["peer"] == PACKAGE
    assert list(recorded["passed"]) == [record["id"] for record in records()]
    assert len(records()) > 300


@pytest.mark.parametrize("scenario", BENCHMARKS)
def test_verdicts_agree(recorded, make_benchmark, judge, scenario):
    known = [record for record in records() if record["scenario"] == scenario]
    benchmark = make_benchmark(BENCHMARKS[scenario], [task_of(record) for record in known])
    samples = [Sample(task, 0, record["answer"]) for task, record in zip(benchmark.tasks, known, strict=True)]
    ours = {
        record["id"]: verdict["passed"]
        for record, verdict in zip(known, judge(build_scorer(benchmark, None), samples), strict=True)
    }
    theirs = {name: passed for name, passed in recorded["passed"].items() if name in ours}
    assert {True, False} == set(theirs.values())
    differing = {name for name in ours if ours[name] != theirs[name]}
    assert {name for name in differing if ours[name]} == PASSED_HERE.keys() & ours.keys()
    assert {name for name in differing if theirs[name]} == FAILED_HERE.keys() & ours.keys()
