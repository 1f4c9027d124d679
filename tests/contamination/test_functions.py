"""Which functions of a row are tried on benchmark tasks, and what code they bring along."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selfalign.contamination.functions import functions_of


def response(*blocks: str) -> str:
    return "\n".join(f"Text.\n```python\n{block}\n```" for block in blocks)


def test_a_function_brings_what_it_uses():
    found = functions_of(
        response(
            "from __future__ import annotations\nimport math\nimport os\nLIMIT = 3\nOTHER = print('never')\n"
            "def helper(x):\n    return min(x, LIMIT)\n"
            "def area(radius: float) -> float:\n    return math.pi * helper(radius) ** 2\n"
            "print(area(2))",
            "assert area(1) == math.pi\ndef test_area():\n    assert area(1)",
        )
    )
    area = found.functions[-1]
    assert area.name == "area"
    assert area.code.splitlines() == [
        "from __future__ import annotations",
        "import math",
        "LIMIT = 3",
        "def helper(x):",
        "    return min(x, LIMIT)",
        "def area(radius: float) -> float:",
        "    return math.pi * helper(radius) ** 2",
    ]
    assert [each.name for each in found.functions] == ["helper", "area"]
    assert found.excluded == {"test": 1}


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        ("a", {1}),
        ("a, b=1", {1, 2}),
        ("a, /, b, *, c=2", {2}),
        ("*a", {0, 1, 2, 3}),
        ("a, *b", {1, 2, 3}),
        ("a=1, **b", {0, 1}),
    ],
)
def test_arity(arguments, accepted):
    (function,) = functions_of(response(f"def f({arguments}):\n    return 1")).functions
    assert {count for count in range(4) if function.accepts(count)} == accepted


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def test_f(x):\n    return x", "test"),
        ("async def f(x):\n    return x", "async"),
        ("def f(x):\n    print(x)\n    return", "no_value"),
        ("def f(x):\n    def g():\n        return x", "no_value"),
        ("def f(x, *, y):\n    return x", "keyword_only"),
        ("def f(x):\n    return open(x).read()", "outside"),
        ("def f(x):\n    return int(input()) + x", "outside"),
        ("import time\ndef f(x):\n    time.sleep(x)\n    return x", "outside"),
        ("from time import sleep as rest\ndef f(x):\n    rest(x)\n    return x", "outside"),
        ("import subprocess as s\ndef f(x):\n    return s.run(x)", "outside"),
        ("def f(x):\n    import urllib.request\n    return x", "outside"),
        ("def g(x):\n    return open(x)\ndef f(x):\n    return g(x)", "outside"),
        ("def f(x:\n    return x", "syntax"),
        ("def f(x):\n    return " + "(" * 3000 + "x" + ")" * 3000, "syntax"),
    ],
)
def test_functions_that_cannot_solve_a_task_are_counted(code, reason):
    found = functions_of(response(code))
    assert found.functions == []
    assert set(found.excluded) == {reason}


def test_a_module_that_is_not_used_does_not_exclude_a_function():
    found = functions_of(response("import subprocess\ndef f(x):\n    return x + 1"))
    assert [each.code for each in found.functions] == ["def f(x):\n    return x + 1"]


def test_a_generator_and_the_last_of_two_definitions_count():
    found = functions_of(response("def f(x):\n    return 1", "def f(x):\n    yield x"))
    assert [each.code for each in found.functions] == ["def f(x):\n    yield x"]


def test_only_python_blocks_count():
    assert functions_of("```json\ndef f(x):\n    return 1\n```\ndef g(x):\n    return 1").functions == []


STATEMENTS = st.sampled_from(
    [
        "def f(x):\n    return g(x)",
        "def g(*x, y=2):\n    yield f",
        "f = g = lambda x: x",
        "class g:\n    f = 1",
        "from math import *",
        "x, (f, *g) = 1, (2, 3)",
        "x: int",
        "if x:\n    def f(x):\n        return 1",
        "async def f(x):\n    return x",
        "def f(x):",
    ]
)


@given(
    st.one_of(st.text(), st.lists(st.one_of(STATEMENTS, st.text(max_size=20)).map(response)).map("\n".join))
)
@example("```python\ndef f(x):\n    return '\ud800'\n```")
@example("```python\ndef f(x):\n    return x" + ".y()" * 3000 + "\n```")
@example("```python\n\0def f(x):\n    return x\n```")
def test_any_response_can_be_read(text):
    for function in functions_of(text).functions:
        names = {each.name for each in ast.parse(function.code).body if isinstance(each, ast.FunctionDef)}
        assert function.name in names
