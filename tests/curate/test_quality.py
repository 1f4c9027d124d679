import pytest

from selfalign.core.config.curation import QualityConfig
from selfalign.core.filtering import Drop, Keep, run_filters
from selfalign.curate.code import function_names
from selfalign.curate.quality import quality_chain, require_asserting_tests, require_complete_code


def response(implementation="def f(x):\n    return x + 1", tests="assert f(1) == 2", tag="python"):
    return {
        "instruction": "Write f.",
        "response": f"[Reasoning]\nr\n\n[Implementation]\n```{tag}\n{implementation}\n```\n\n"
        f"[Explanation]\ne\n\n[Tests]\n```python\n{tests}\n```",
    }


@pytest.mark.parametrize(
    "implementation",
    [
        "def f(x):\n    pass",
        "def f(x):\n    '''Add one.'''\n    ...",
        "def f(x):\n    raise NotImplementedError('later')",
        "class A:\n    def m(self):\n        pass",
        "def f(x:\n    return x",
    ],
)
def test_incomplete_code_is_dropped(implementation):
    outcome = require_complete_code(response(implementation))
    assert isinstance(outcome, Drop)
    assert outcome.reason == "incomplete_code"


@pytest.mark.parametrize(
    "implementation",
    [
        "def f(x):\n    return x",
        "class A:\n    @abstractmethod\n    def m(self): ...\n    def n(self):\n        return 1",
        "class E(Exception):\n    pass\ndef f(x):\n    raise E",
    ],
)
def test_complete_code_is_kept(implementation):
    assert isinstance(require_complete_code(response(implementation)), Keep)


@pytest.mark.parametrize(
    "tests",
    [
        "print(f(1))  # assert",
        "assert True",
        "assert 1 + 1 == 2",
        "def test_f():\n    assert f(1) == 2",
        "def test_f():\n    helper()\ndef helper():\n    assert f(1) == 2",
        "assert f(1) ==",
    ],
)
def test_tests_that_assert_nothing_are_dropped(tests):
    assert require_asserting_tests(response(tests=tests)) == Drop("tests_assert_nothing")


@pytest.mark.parametrize(
    "tests",
    [
        "assert f(1) == 2",
        "for x in range(3):\n    assert f(x) == x + 1",
        "def test_f():\n    helper()\ndef helper():\n    assert f(1) == 2\ntest_f()",
        "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)\nunittest.main()",
        "def test_f():\n    assert f(1) == 2\nif __name__ == '__main__':\n    import pytest\n    pytest.main()",
        "def check():\n    assert f(1) == 2\nimport threading\nt = threading.Thread(target=check)\nt.start()\nt.join()",
        "def test_f():\n    assert f(1) == 2\nfor test in [test_f]:\n    test()",
        "def test_f():\n    assert f(1) == 2\nfor n in list(globals()):\n    if n[:4] == 'test':\n        globals()[n]()",
        "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)\n"
        "unittest.TextTestRunner().run(unittest.TestLoader().loadTestsFromTestCase(T))",
        "import doctest\nf.__doc__ = '>>> f(1)\\n2'\ndoctest.testmod()",
    ],
)
def test_tests_that_assert_are_kept(tests):
    assert isinstance(require_asserting_tests(response(tests=tests)), Keep)


def test_all_blocks_have_one_of_the_languages():
    chain = quality_chain(QualityConfig(code_languages=["Python"]))
    assert isinstance(run_filters(response(), chain), Keep)
    assert run_filters(response(tag="java"), chain) == Drop("code_language", "java")


def test_filters_are_switched_one_by_one():
    assert quality_chain(QualityConfig(complete_code=False, asserting_tests=False)) == []
    assert quality_chain(QualityConfig(complete_code=False)) == [require_asserting_tests]


def test_deeply_nested_code_never_ends_the_selection():
    deep = "x" + ".y()" * 900
    row = response(f"@{deep}\ndef f(x):\n    return x", f"assert f(1)\n{deep}")
    assert run_filters(row, quality_chain(QualityConfig(asserting_tests=False))) == Drop("nested_too_deeply")
    assert isinstance(run_filters(row, quality_chain(QualityConfig(complete_code=False))), Keep)
    print_only = response(tests=f"print(f(1))\n{deep}")
    assert run_filters(print_only, quality_chain(QualityConfig(complete_code=False))) == Drop(
        "tests_assert_nothing"
    )


def test_names_of_deeply_nested_code_are_none():
    assert function_names("def f():\n    return x" + ".y()" * 900) is None
