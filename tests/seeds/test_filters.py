from __future__ import annotations

import pytest

from selfalign.contamination import find_sources
from selfalign.core.config.seeds import FiltersConfig
from selfalign.core.filtering import Drop, Keep, run_filters
from selfalign.seeds.collect import decontamination_filter
from selfalign.seeds.filters import filter_chain

FAITHFUL = filter_chain(FiltersConfig(mode="faithful"))
DEFAULT = filter_chain(FiltersConfig(max_lines=150, max_characters=None))


def function(body: str = "return x", head: str = "def f(x):", doc: str = "Return what is given.") -> dict:
    return {"seed": f'{head}\n    """{doc}"""\n    {body}'}


def reason(record: dict, chain: list) -> str:
    outcome = run_filters(record, chain)
    return "keep" if isinstance(outcome, Keep) else outcome.reason


@pytest.mark.parametrize(
    ("record", "faithful", "default"),
    [
        (function(), "keep", "keep"),
        (function("print(x)"), "no_return", "no_return"),
        (function("debug = x\n    return debug"), "bad_substring", "keep"),
        (function("from sysconfig import get_path\n    return get_path(x)"), "bad_substring", "keep"),
        (function(doc="Return bytes read from os level."), "bad_substring", "keep"),
        (function(doc="There is a BUG here."), "bad_substring", "bad_word"),
        (function("# TODO: faster\n    return x"), "bad_substring", "bad_word"),
        (function("import os\n    return os.fspath(x)"), "bad_substring", "banned_import"),
        (function("from os.path import join\n    return join(x)"), "bad_substring", "banned_import"),
        (function("import json, sys\n    return sys"), "keep", "banned_import"),
        (function("import  os\n    return os"), "keep", "banned_import"),
        (function(doc="Use it.\n\n    >>> import sys"), "bad_substring", "banned_import"),
        (function(head="def f():"), "no_arguments", "no_arguments"),
        (function(head="def f() -> int:"), "keep", "no_arguments"),
        (function(head="async def f():"), "keep", "no_arguments"),
        (function("def g():\n        return x\n    return g"), "keep", "keep"),
        (function("\n" * 150 + "    return x"), "too_long", "too_long"),
        (function(doc="Short."), "keep", "short_docstring"),
    ],
)
def test_verdicts(record, faithful, default):
    assert (reason(record, FAITHFUL), reason(record, DEFAULT)) == (faithful, default)


def test_the_first_failing_rule_is_the_reason():
    assert reason(function("pass # TODO"), DEFAULT) == "no_return"


def test_length_is_counted_in_lines_and_characters():
    record = function("\n".join("    y = 1" for _ in range(146)) + "\n    return x")
    assert record["seed"].count("\n") + 1 == 149
    assert reason(record, DEFAULT) == "keep"
    assert reason(record, filter_chain(FiltersConfig(max_lines=148, max_characters=None))) == "too_long"
    assert reason(record, filter_chain(FiltersConfig(max_lines=150, max_characters=100))) == "too_long"


def test_imports_before_a_function_do_not_hide_its_arguments():
    record = {"seed": "import re\n\n\n" + function(head="def f():")["seed"]}
    assert run_filters(record, DEFAULT) == Drop("no_arguments")


def test_a_benchmarks_text_is_found_in_any_case():
    doc = "CHECK if in given list of numbers, are any two numbers closer to each other than given threshold."
    clean = decontamination_filter(find_sources(["humaneval"]), 13)
    assert clean is not None
    assert isinstance(clean(function()), Keep)
    outcome = clean(function(doc=doc))
    assert isinstance(outcome, Drop)
    assert outcome.reason == "contaminated"
    assert outcome.detail["task"] == "HumanEval/0"
    assert decontamination_filter([], 13) is None
