"""Honest programs pass, on a slot that has run others before."""

import signal

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


def test_signals_are_handled_as_usual_whatever_started_the_build():
    """`nohup` and background jobs of a shell script ignore signals, which processes inherit."""
    numbers = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        with open_pool("bubblewrap", workers=1) as pool:
            (verdict,) = pool.run([Program("signals", DISPOSITIONS)])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
    assert verdict.status == "passed", (verdict.status, verdict.error, verdict.stderr[-1000:])


DISPOSITIONS = """
import signal
ignored = [n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN]
assert sorted(ignored) == [signal.SIGPIPE, signal.SIGXFSZ], ignored
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
"""
