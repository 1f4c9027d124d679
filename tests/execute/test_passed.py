"""What "passed" means: an assertion was evaluated, none failed, and all tests that were collected ran."""

import textwrap

import pytest

from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.execute.filter import execute_file
from selfalign.sandbox import Limits

# The implementation rejects an argument by an assertion of its own; one of the two is wrong.
RIGHT = "def inc(x):\n    assert isinstance(x, int), x\n    return x + 1"
WRONG = RIGHT.replace("+ 1", "- 1")

# Tests that run however they are called: they pass for RIGHT and fail for WRONG.
TESTS = {
    "plain": "assert inc(1) == 2",
    "loop over functions": """
        def test_one():
            assert inc(1) == 2
        def test_two():
            assert inc(2) == 3
        for test in (test_one, test_two):
            test()
    """,
    "by name": """
        def test_one():
            assert inc(1) == 2
        for name in list(globals()):
            if name.startswith("test_"):
                globals()[name]()
    """,
    "thread": """
        import threading
        def check():
            assert inc(1) == 2
        thread = threading.Thread(target=check)
        thread.start()
        thread.join()
    """,
    "thread pool": """
        from concurrent.futures import ThreadPoolExecutor
        def check(n):
            assert inc(n) == n + 1
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(check, n) for n in range(3)]
    """,
    "coroutine": """
        import asyncio
        async def test_one():
            assert inc(1) == 2
        asyncio.run(test_one())
    """,
    "caught": """
        try:
            assert inc(1) == 2
            print("ok")
        except AssertionError as error:
            print("failed", error)
    """,
    "caught in a caller": """
        def run(test):
            try:
                test()
                print("ok")
            except Exception as error:
                print("failed", error)
        def one():
            assert inc(1) == 2
        run(one)
    """,
    "suppressed": """
        import contextlib
        with contextlib.suppress(AssertionError):
            assert inc(1) == 2
    """,
    "dropped by a return": """
        def check():
            try:
                assert inc(1) == 2
            finally:
                return
        check()
    """,
    "another exception in a test": """
        def test_one():
            if inc(1) != 2:
                raise ValueError
            assert inc(1) == 2
        try:
            test_one()
        except Exception:
            print("failed")
    """,
    "unittest.main at the end": """
        import unittest
        class IncTests(unittest.TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
        if __name__ == "__main__":
            unittest.main()
    """,
    "unittest.main without exit": """
        import unittest
        class TestInc(unittest.TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
            def test_rejects(self):
                with self.assertRaises(AssertionError):
                    inc("1")
        unittest.main(argv=[""], exit=False)
    """,
    "unittest.main twice": """
        import unittest
        class TestInc(unittest.TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
        if __name__ == "__main__":
            unittest.main()
        class TestMore(unittest.TestCase):
            def test_two(self):
                self.assertEqual(inc(2), 3)
        if __name__ == "__main__":
            unittest.main()
    """,
    "main of unittest in a function": """
        from unittest import TestCase, main as run_tests
        class TestInc(TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
        def main():
            run_tests()
        main()
    """,
    "unittest by another name": """
        import unittest as ut
        class TestInc(ut.TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
        ut.main(verbosity=2)
    """,
    "unittest runner": """
        import unittest
        class TestInc(unittest.TestCase):
            def test_one(self):
                self.assertEqual(inc(1), 2)
        unittest.TextTestRunner().run(unittest.TestLoader().loadTestsFromTestCase(TestInc))
    """,
    "subtests": """
        import unittest
        class TestInc(unittest.TestCase):
            def test_all(self):
                for n in range(3):
                    with self.subTest(n=n):
                        self.assertEqual([0, 1, 2][inc(n) - 1], n)
                        self.assertEqual(inc(n), n + 1)
        unittest.main(exit=False)
    """,
    "doctest": """
        import doctest
        inc.__doc__ = ">>> inc(1)\\n2\\n"
        doctest.testmod()
    """,
    "doctest from": """
        from doctest import run_docstring_examples
        inc.__doc__ = ">>> inc(1)\\n2\\n"
        run_docstring_examples(inc, {"inc": inc})
    """,
    "an exception that is expected": """
        assert inc(1) == 2
        try:
            inc("1")
        except AssertionError:
            pass
        else:
            assert False, "expected an AssertionError"
    """,
    "a helper named assert": """
        def assert_close(a, b):
            if abs(a - b) > 1e-6:
                raise AssertionError(a)
        assert_close(inc(1), 2)
    """,
    "a class of the tests": """
        class Suite:
            def run(self):
                assert inc(1) == 2
        Suite().run()
    """,
}

# Tests that cannot fail, or do not run: with the verdict that they get for RIGHT, and so for WRONG.
VACUOUS = {
    "a tuple": ("no_assertion", "assert (inc(1) == 2, 'inc adds one')"),
    "a generator": ("no_assertion", "assert (inc(a) == b for a, b in [(1, 2)])"),
    "a list": ("no_assertion", "assert [inc(1) == 2]"),
    "or a text": ("no_assertion", "assert inc(1) == 2 or 'inc adds one'"),
    "a constant": ("no_assertion", "assert True"),
    "a lambda": ("no_assertion", "assert lambda: inc(1) == 2"),
    "an unreachable branch": ("no_assertion", "if False:\n    assert inc(1) == 2"),
    "a print": ("no_assertion", "print(inc(1) == 2)"),
    "the implementation's assertion": ("no_assertion", "inc(1)"),
    "a function that is not called": ("tests_not_run", "def test_one():\n    assert inc(1) == 2"),
    "one of two": (
        "tests_not_run",
        "def test_one():\n    assert inc(1) != 1\ndef test_two():\n    assert inc(1) == 2\ntest_one()",
    ),
    "a test class that is not run": (
        "tests_not_run",
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(inc(1), 2)",
    ),
    "a skipped test": (
        "tests_not_run",
        "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n    def test_one(self):\n"
        "        self.assertEqual(inc(1), 2)\nunittest.main(exit=False)",
    ),
    "setUp that fails": (
        "tests_not_run",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        nothing\n    def test_one(self):\n"
        "        self.assertEqual(inc(1), 2)\nunittest.main(exit=False)",
    ),
    "no tests": ("no_assertion", "# later"),
    "no Python": ("syntax", "assert inc(1) =="),
    "an exit in a test": (
        "early_exit",
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        assert inc(1) != 1\n"
        "        raise SystemExit\n    def test_two(self):\n        self.assertEqual(inc(1), 2)\nunittest.main()",
    ),
    "an exit": ("early_exit", "import sys\nassert inc(1) != 1\nsys.exit(0)\nassert inc(1) == 2"),
}


def sections(implementation: str, tests: str) -> str:
    return (
        f"[Reasoning]\nr\n\n[Implementation]\n```python\n{implementation}\n```\n\n"
        f"[Explanation]\ne\n\n[Tests]\n```python\n{tests}\n```\n"
    )


def verdicts(directory, responses: dict[str, str], **options):
    """Return the status of each response by its name."""
    write_jsonl(directory / "in.jsonl", ({"response": each} for each in responses.values()))
    execute_file(
        directory / "in.jsonl",
        directory / "out.jsonl",
        verdicts=directory / "verdicts.jsonl",
        limits=Limits(wall_s=60, cpu_s=30),  # importing unittest takes long on a busy machine
        **{"scope": "module", **options},
    )
    found = read_jsonl(directory / "verdicts.jsonl")
    return {name: row["status"] for name, row in zip(responses, found, strict=True)}


@pytest.mark.parametrize("layout", ["sections", "one block"])
def test_tests_pass_for_right_code_only(layout, tmp_path):
    write = sections if layout == "sections" else "```python\n{}\n{}\n```\n".format
    responses = {
        f"{name}, {kind}": write(implementation, textwrap.dedent(tests).strip())
        for name, tests in TESTS.items()
        for kind, implementation in (("right", RIGHT), ("wrong", WRONG))
    }
    if layout == "one block":  # its helper could belong to the implementation, which may use assertions
        del responses["caught in a caller, wrong"]
    found = verdicts(tmp_path, responses)
    wrong = {"assertion", "early_exit"}
    assert {name: status for name, status in found.items() if name.endswith("right")} == {
        name: "passed" for name in found if name.endswith("right")
    }
    assert {name for name, status in found.items() if status not in wrong and name.endswith("wrong")} == set()


def test_tests_that_cannot_fail_or_do_not_run_do_not_pass(tmp_path):
    responses = {
        f"{name}, {kind}": sections(implementation, tests)
        for name, (_, tests) in VACUOUS.items()
        for kind, implementation in (("right", RIGHT), ("wrong", WRONG.replace("- 1", "* 3")))
    }
    expected = {name: VACUOUS[name.rpartition(", ")[0]][0] for name in responses}
    assert verdicts(tmp_path, responses) == expected


def test_what_follows_unittest_main_runs_too(tmp_path):
    tests = (
        "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        assert inc(1) == 2\n"
        "unittest.main()\nassert inc(1) == {}"
    )
    responses = {f"{number}": sections(RIGHT, tests.format(number)) for number in (2, 7)}
    assert verdicts(tmp_path, responses) == {"2": "passed", "7": "assertion"}


def test_an_empty_program_has_a_verdict_of_its_own(tmp_path):
    responses = {
        "empty": "```python\n```\n",
        "comment": "```python\n# x\n'text'\npass\n```\n",
        "none": "text",
    }
    assert verdicts(tmp_path, responses) == {"empty": "empty", "comment": "empty", "none": "no_program"}


def test_faithful_takes_all_that_ends(tmp_path):
    responses = {
        name: sections(WRONG, tests) for name, (status, tests) in VACUOUS.items() if status != "early_exit"
    }
    assert set(verdicts(tmp_path, responses, faithful=True).values()) == {"passed"}


def test_tracebacks_are_those_of_the_source(tmp_path):
    tests = "def test_one():\n    '''Doc.'''\n    assert inc(\n        1 + (inc(1) == 7) + nothing\n    ) == 2, 'text'\ntest_one()"
    responses = {"name": sections(RIGHT, tests), "value": sections(WRONG, tests.replace("nothing", "0"))}
    shown = []
    for faithful in (False, True):
        verdicts(tmp_path, responses, faithful=faithful)
        shown.append([row["stderr"] for row in read_jsonl(tmp_path / "verdicts.jsonl")])
    assert shown[0] == shown[1]
    assert (
        "line 8, in test_one\n    1 + (inc(1) == 7) + nothing\n                        ^^^^^^^\n"
        in shown[0][0]
    )
    assert "AssertionError: text" in shown[0][1]


def test_the_program_sees_its_own_names_and_docstrings(tmp_path):
    tests = """
        def test_one():
            '''Add one.'''
            assert test_one.__doc__ == "Add one."
            assert inc(1) == 2
        test_one()
        assert [name for name in globals() if not name.startswith("__")] == ["inc", "test_one"]
    """
    assert verdicts(tmp_path, {"names": sections(RIGHT, textwrap.dedent(tests))}) == {"names": "passed"}


@pytest.mark.parametrize("scope", ["function", "module"])
def test_assertions_are_observed_in_both_scopes(scope, tmp_path):
    found = verdicts(
        tmp_path,
        {
            "right": sections("x = 1", "assert x == 1"),
            "wrong": sections("x = 1", "try:\n    assert x == 2\nexcept: pass"),
        },
        scope=scope,
    )
    assert found == {"right": "passed", "wrong": "assertion"}
