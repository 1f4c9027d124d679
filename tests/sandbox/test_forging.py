"""No program that fails is judged as passed, whatever it does to leave the judge early, and the next one is unharmed."""

import pytest
from forging import ENDINGS, FAILURES, ROUTES, variants

from selfalign.sandbox import Limits, Program, open_pool

LIMITS = Limits(wall_s=1.0, cpu_s=1.0, memory_mb=256)
# Whether the tests of the programs are observed, all code being tests.
OBSERVED = pytest.mark.parametrize("tests_line", [None, 1])
NEXT = "import os\nassert os.listdir() == []"


def check(chosen, tests_line):
    programs = []
    for name, text in chosen:
        programs += [
            Program(name, text, limits=LIMITS, tests_line=tests_line),
            Program(f"after {name}", NEXT, tests_line=tests_line),
        ]
    wrong = []
    with open_pool("bubblewrap", workers=4) as pool:
        for verdict in pool.run(programs):
            is_next = verdict.key.startswith("after ")
            if (verdict.status == "passed") != is_next or verdict.status == "infrastructure":
                wrong.append((verdict.key, verdict.status, verdict.error, verdict.stderr[-200:]))
        assert (wrong, pool.restarts) == ([], 0)


@OBSERVED
def test_every_kind_once(tests_line):
    """Each way to fail, to leave and to end is in some of them: 13 is prime to those of routes and endings."""
    everything = list(variants())
    chosen = [*everything[::13], *(each for each in everything if "record_of_tests" in each[0])]
    for kinds in (FAILURES, ROUTES, ENDINGS):
        assert all(any(kind in name for name, _ in chosen) for kind in kinds)
    check(chosen, tests_line)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@OBSERVED
def test_every_variant(tests_line):
    everything = list(variants())
    assert len(everything) >= 500
    check(everything, tests_line)
