"""Our verdicts are those of EvalPlus' own check, on outputs of every type and on mutants of reference solutions."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys

import pytest

from selfalign.benchmarks import load_benchmark
from selfalign.core.config.evaluation import EvaluationConfig
from selfalign.evaluate.ground_truth import compute_ground_truth
from selfalign.evaluate.samples import Sample
from selfalign.evaluate.scorers import build_scorer

# In a process of its own, because the check forks and takes functions away from the process.
THEIRS = """
import json, sys
from evalplus.eval import MBPP_OUTPUT_NOT_NONE_TASKS, untrusted_check
from evalplus.gen.util import trusted_exec

job = json.load(sys.stdin)
for task, answers in job["tasks"]:
    entry_point = task["entry_point"]
    expected, times = trusted_exec(
        task["prompt"] + task["canonical_solution"], task["base_input"], entry_point, record_time=True,
        output_not_none=entry_point in MBPP_OUTPUT_NOT_NONE_TASKS,
    )
    for answer in answers:
        status, _ = untrusted_check(
            job["dataset"], answer, task["base_input"], entry_point, expected, task["atol"], times, fast_check=True
        )
        print(json.dumps(status == "pass"), flush=True)
"""
IMPORTS = """
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
import numpy as np
"""
OUTPUTS = (
    """
1|1.0|True|0|None|'1'|b'1'|1+0j|-0.0|1.0000000001|1.001|float('nan')|float('inf')|10**30|10**5000|10**5000+1
[1]|(1,)|{1}|frozenset({1})|{1: 2}|{1: 2.0}|[1.0]|(1.0,)|[1.0000000001]|[1.0, 2.0]|[1.0, 2.0000000001]|[2.0, 1.0]
[]|()|set()|{}|''|'ab'|'\\ud800'|['a', None]|[[1], [2]]|[(1,), [2]]|[float('nan')]|[1, 2.5]|{'a': [1.0]}
OrderedDict([(1, 2)])|Counter([1, 1])|defaultdict(int, {1: 2})|namedtuple('P', 'x')(1)|Fraction(1)|Decimal(1)|range(1, 2)
deque([1])|bytearray(b'1')|iter([1])|(x for x in [1])|{1: 0}.keys()|np.int64(1)|np.float64(1)|np.array([1.0])|np.array([1])
np.array([1.0, 2.0])|np.float64('nan')|np.bool_(True)|object()|print|[1] * 3|(1, 1)
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
PAIRS = 400


def _task(entry_point, expected, atol, given=((0,),)):
    return {
        "task_id": "HumanEval/960",
        "prompt": IMPORTS,
        "entry_point": entry_point,
        "canonical_solution": f"def {entry_point}(*a): return {expected}\n",
        "base_input": [list(each) for each in given],
        "plus_input": [],
        "atol": atol,
    }


def _theirs(dataset, tasks):
    """Return whether EvalPlus passes each answer; `tasks` are records with answers."""
    done = subprocess.run(
        [sys.executable, "-c", THEIRS],
        input=json.dumps({"dataset": dataset, "tasks": tasks}),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def ours(make_benchmark, pools, judge, tmp_path_factory):
    """Return whether we pass each answer."""

    def run(name, tasks):
        found = []
        records = [{**task, "task_id": f"HumanEval/{number}"} for number, (task, _) in enumerate(tasks, 1000)]
        benchmark = make_benchmark(name, records)
        truth = tmp_path_factory.mktemp("truth") / "truth.jsonl"
        compute_ground_truth(benchmark, pools.judges, truth, EvaluationConfig())
        samples = [
            Sample(task, number, answer)
            for task, (_, answers) in zip(benchmark.tasks, tasks, strict=True)
            for number, answer in enumerate(answers)
        ]
        found = judge(build_scorer(benchmark, truth), samples)
        return [verdict["base"]["status"] == "pass" for verdict in found]

    return run


def _answers(entry_point, outputs):
    return [f"{IMPORTS}\ndef {entry_point}(*a): return {output}\n" for output in outputs]


def _compare(ours, name, dataset, tasks):
    mine, theirs = ours(name, tasks), _theirs(dataset, tasks)
    cases = [(task["canonical_solution"], answer) for task, answers in tasks for answer in answers]
    differing = [
        (case, one, other) for case, one, other in zip(cases, mine, theirs, strict=True) if one != other
    ]
    assert differing == []
    assert 0 < sum(mine) < len(mine)


def test_outputs_of_every_type_compare_as_in_evalplus(ours):
    choose = random.Random(0)
    # Each output with itself, and some others with each other. A reference solution has no iterators and plain objects.
    references = [each for each in OUTPUTS if not each.startswith(("iter", "(x for", "object", "print"))]
    tasks = []
    for expected in references:
        others = choose.sample(OUTPUTS, PAIRS // len(references))
        tasks.append((_task("f", expected, choose.choice([0, 1e-6])), _answers("f", [expected, *others])))
    _compare(ours, "humaneval_plus", "humaneval", tasks)


@pytest.mark.parametrize(
    ("entry_point", "expected", "given"),
    [
        ("similar_elements", "[1, 2]", [[1]]),
        ("similar_elements", "(1.0,)", [[1]]),
        ("check_str", "print", [[1]]),
        ("check_str", "None", [[1]]),
        ("sum_div", "7", [[1]]),
        ("are_equivalent", "True", [[1]]),
        ("surface_Area", "33", [[3, 4]]),
        ("digit_distance_nums", "6", [[123, 256]]),
    ],
)
def test_special_cases_compare_as_in_evalplus(ours, entry_point, expected, given):
    outputs = [
        *(
            "[1, 2]",
            "(2, 1, 2)",
            "{1, 2}",
            "iter([1, 2])",
            "(x for x in (2, 1))",
            "{1: 0, 2: 0}",
            "'12'",
            "[[1], 2]",
        ),
        *(
            "[1.0]",
            "[1]",
            "None",
            "True",
            "False",
            "0",
            "7",
            "33",
            "34",
            "33.0",
            "6",
            "7",
            "object()",
            "print",
            "1 / 0",
        ),
    ]
    tasks = [(_task(entry_point, expected, 0, given), _answers(entry_point, outputs))]
    _compare(ours, "mbpp_plus", "mbpp", tasks)


class _Mutate(ast.NodeTransformer):
    """Change the operators, constants and comparisons of a program at random."""

    def __init__(self, choose):
        self._choose = choose

    def visit(self, node):
        node = self.generic_visit(node)
        if self._choose.random() < 0.85:
            return node
        if isinstance(node, ast.Compare):
            node.ops[0] = self._choose.choice([ast.Lt, ast.LtE, ast.Gt, ast.Eq, ast.NotEq])()
        elif isinstance(node, ast.BinOp):
            node.op = self._choose.choice([ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Div])()
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            node.value += self._choose.choice([-1, 1])
        elif isinstance(node, ast.Return) and node.value is not None:
            wrapper = self._choose.choice(["list", "tuple", "float", "str", "iter", "bool", "set"])
            node.value = ast.Call(ast.Name(wrapper, ast.Load()), [node.value], [])
        return node


@pytest.mark.published
def test_mutants_of_reference_solutions_get_evalplus_verdicts(ours, published_data):
    """HumanEval/32, which EvalPlus fails whatever the answer, is left out."""
    choose = random.Random(0)
    benchmark = load_benchmark("humaneval_plus", "v0.1.10", published_data("humaneval_plus", "v0.1.10"))
    tasks = []
    for task in benchmark.tasks:
        if task.id == "HumanEval/32":
            continue
        solution = ast.parse(benchmark.reference_solution(task))
        mutants = [ast.unparse(ast.fix_missing_locations(_Mutate(choose).visit(solution))) for _ in range(3)]
        tasks.append(({**task.record, "plus_input": []}, mutants))
    _compare(ours, "humaneval_plus", "humaneval", tasks)
