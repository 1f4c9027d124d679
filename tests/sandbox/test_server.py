"""The sandbox over HTTP: the same verdicts, nothing without the token, and waiting when it is full."""

import contextlib
import threading

import httpx
import pytest

from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.program_environments import program_environment
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, open_pool
from selfalign.sandbox.remote import TOKEN_VARIABLE
from selfalign.sandbox.server import SandboxServer

PROGRAMS = [Program(str(n), f"print({n})\nassert {n} % 3") for n in range(12)]


@contextlib.contextmanager
def serving(queue=64):
    with (
        open_pool("bubblewrap", workers=1) as pool,
        SandboxServer(("127.0.0.1", 0), pool, DEFAULT_LIMITS, "secret", queue) as one,
    ):
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{one.server_port}"
        finally:
            one.shutdown()
            thread.join()


def test_the_verdicts_are_those_of_the_slots(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with serving() as address, open_pool(address, workers=3) as pool:
        verdicts = list(pool.run(PROGRAMS))
        slow = Program("slow", "import time\ntime.sleep(9)", limits=Limits(wall_s=0.5))
        assert next(pool.run([slow])).status == "timeout"
    assert [(verdict.key, verdict.status) for verdict in verdicts] == [
        (str(n), "passed" if n % 3 else "assertion") for n in range(12)
    ]
    assert {verdict.runtime for verdict in verdicts} == {"bubblewrap"}


def test_a_server_that_allows_less_than_is_wanted_is_refused_at_once(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with serving() as address:
        with pytest.raises(ConfigError, match=r"allows a program 1024 MiB .* and 1025 MiB .* serve it with"):
            open_pool(address, workers=1, most=Limits(memory_mb=1025)).__enter__()
        headers = {"Authorization": "Bearer secret"}
        large = {"key": "a", "source": "", "limits": {"memory_mb": 4096}}
        answer = httpx.post(f"{address}/run", json=large, headers=headers)
        assert (answer.status_code, "allowed: 1024 MiB" in answer.text) == (400, True)


def test_a_server_with_another_environment_is_refused_at_once(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with serving() as address:
        with pytest.raises(
            ConfigError, match=r"in the environment build, expected stdlib: .*serve it with --environment"
        ):
            open_pool(address, workers=1, environment=program_environment("stdlib")).__enter__()


def test_a_full_queue_is_waited_for(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with serving(queue=1) as address, open_pool(address, workers=3) as pool:
        assert [verdict.key for verdict in pool.run(PROGRAMS[:4])] == ["0", "1", "2", "3"]


def test_nothing_without_the_token(monkeypatch):
    with serving() as address:
        answer = httpx.post(f"{address}/run", json={"key": "a", "source": ""})
        assert answer.status_code == 401
        bad = httpx.post(f"{address}/run", json={"key": 1}, headers={"Authorization": "Bearer secret"})
        assert bad.status_code == 400
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
        with pytest.raises(InfrastructureError, match="401"), open_pool(address, workers=1):
            pass
        monkeypatch.delenv(TOKEN_VARIABLE)
        with pytest.raises(ConfigError, match=TOKEN_VARIABLE), open_pool(address, workers=1):
            pass


def test_a_server_that_is_gone_is_no_verdict(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    with pytest.raises(InfrastructureError), open_pool("http://127.0.0.1:9", workers=1):
        pass
