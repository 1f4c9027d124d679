"""Records that we wrote, in the layouts of the published benchmarks."""

from __future__ import annotations

import json

EVALPLUS = [
    {
        "task_id": "HumanEval/900",
        "prompt": "def halve(values):\n    '''Halve all values.'''\n",
        "entry_point": "halve",
        "canonical_solution": "    return [value / 2 for value in values]\n",
        "base_input": [[[1, 2]], [[]]],
        "plus_input": [[[0.1, 0.3]], [[5]]],
        "atol": 0,
    },
    {
        "task_id": "HumanEval/901",
        "prompt": "def add(a, b):\n    '''Add two numbers.'''\n",
        "entry_point": "add",
        "canonical_solution": "    return a + b\n",
        "base_input": [[1, 2]],
        "plus_input": [[-1, 1], [10, 5], [0, 0]],
        "atol": 0,
    },
]
HUMANEVAL = [{**EVALPLUS[1], "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n"}]
FIND_ZERO = {
    "task_id": "HumanEval/32",
    "prompt": "def find_zero(xs):\n",
    "entry_point": "find_zero",
    "canonical_solution": "    return -xs[0] / xs[1]\n",
    "base_input": [[[1, 2]]],
    "plus_input": [[[3, 1]], [[6, 4]]],
    "atol": 1e-6,
}
TEXT = {
    "task_id": "HumanEval/902",
    "prompt": "def text(n):\n",
    "entry_point": "text",
    "canonical_solution": "    return 'ab' * n\n",
    "base_input": [[1]],
    "plus_input": [[100_000]],
    "atol": 0,
}
MBPP = [
    {
        "task_id": "Mbpp/2",
        "prompt": '"""\nShare the elements of two lists.\nassert set(similar_elements((3, 4), (4, 5))) == {4}\n"""\n',
        "entry_point": "similar_elements",
        "canonical_solution": "\ndef similar_elements(a, b):\n    return tuple(set(a) & set(b))\n",
        "base_input": [[[3, 4], [4, 5]]],
        "plus_input": [[[1, 2, 3], [3, 2, 1]]],
        "atol": 0,
    }
]
EVOEVAL = [
    {
        "task_id": "EvoEval/0",
        "prompt": "def spread(values):\n    '''Return largest minus smallest.'''",
        "entry_point": "spread",
        "canonical_solution": "    return max(values) - min(values)\n",
        "inputs": ["{1, 2, 5}", "[0.5, 0.25]"],
    }
]
CONTEST = [
    {
        "question_id": "add-one",
        "question_content": "Read a number on each line and write it plus one half.",
        "contest_date": "2023-09-01T00:00:00",
        "starter_code": "",
        "metadata": "{}",
        "public_test_cases": json.dumps([{"input": "1\n2\n", "output": "1.5\n2.5\n", "testtype": "stdin"}]),
        "private_test_cases": json.dumps([{"input": "7\n", "output": "7.50\n", "testtype": "stdin"}]),
    },
    {
        "question_id": "pairs",
        "question_content": "Return both numbers, the smaller first.",
        "contest_date": "2024-02-01T00:00:00",
        "starter_code": "class Solution:\n    def pairs(self, a: int, b: int) -> list[int]:\n        ",
        "metadata": json.dumps({"func_name": "pairs"}),
        "public_test_cases": json.dumps([{"input": "2\n1", "output": "[1, 2]", "testtype": "functional"}]),
        "private_test_cases": json.dumps([{"input": "3\n3", "output": "[3, 3]", "testtype": "functional"}]),
    },
]
TEST_OUTPUTS = [
    {
        "question_id": "2900",
        "question_content": "Return both numbers, the smaller first.",
        "contest_date": "2023-09-02T14:30:00",
        "test_id": number,
        "test": json.dumps([{"input": given, "output": output, "testtype": "functional"}]),
        "starter_code": "class Solution:\n    def pairs(self, a: int, b: int) -> list[int]:\n        ",
        "function_name": "pairs",
    }
    for number, (given, output) in enumerate([("2\n1", "[1, 2]"), ("3\n3", "[3, 3]")])
]
EXECUTIONS = [
    {
        "id": f"sample_{number}",
        "question_id": "2901",
        "contest_date": "2023-10-07T20:00:00",
        "function_name": "longest",
        "code": "def longest(words: List[str]) -> str:\n    return max(words, key=len) * (1 + (words == []))",
        "input": f"longest(words = {words!r})",
        "output": output,
    }
    for number, (words, output) in enumerate([(["a", "bc"], "'bc'"), (["a=='b'"], "\"a=='b'\"")])
]
CONTEXT = """
import numpy as np

exec_context = '''
import numpy as np
values = test_input
[insert]
'''

def test_execution(solution):
    program = exec_context.replace("[insert]", solution)
    for given in (np.array([1.0, 2.0]), np.array([4.0])):
        names = {"test_input": given}
        exec(program, names)
        np.testing.assert_allclose(names["result"], given.sum())

def test_string(solution):
    assert "for" not in solution.split()
"""
DATA_SCIENCE = [
    {
        "prompt": "Add up `values`; put it into `result`.\n<code>\nimport numpy as np\n</code>\n",
        "reference_code": "result = values.sum()",
        "code_context": CONTEXT,
        "metadata": {"problem_id": 0, "library": "Numpy"},
    }
]
