"""Honest programs pass, on a slot that has run others before."""

import pytest
from valid import VALID

from selfalign.sandbox import Limits, Program, open_pool


@pytest.fixture(scope="module")
def verdicts():
    with open_pool("bubblewrap", workers=1, limits=Limits(wall_s=30.0, cpu_s=20.0)) as pool:
        return {
            verdict.key: verdict for verdict in pool.run(Program(name, text) for name, text in VALID.items())
        }


@pytest.mark.parametrize("name", VALID)
def test_an_honest_program_passes(verdicts, name):
    verdict = verdicts[name]
    assert verdict.status == "passed", (verdict.status, verdict.error, verdict.stderr[-1000:])
