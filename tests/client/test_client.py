"""The client against the test server: order, completion cache, faults."""

from __future__ import annotations

import json

import pytest
from tests.scripted_server import completion, error

from selfalign.client import Request, open_client
from selfalign.completion_cache import open_completion_cache, request_key
from selfalign.core.config.serving import ClientConfig
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.core.process import configure_logging

FAULTS = ["rate_limit", "server_error", "reset", "half", "stall", "no_choices", "invalid_json"]

QUICK = {"backoff_first_s": 0.01, "backoff_longest_s": 0.05}


def requests(count, n=2):
    return [
        Request(f"record {i}", f"{i}\n### Instruction\nDo it.\n\n### Response", 500, 0.7, n=n, seed=i)
        for i in range(count)
    ]


def run(urls, wanted, cache=None, **settings):
    config = ClientConfig(**{"max_in_flight": 8, **QUICK, **settings})
    with open_client(urls, "base", identity="test", cache=cache, settings=config) as client:
        return list(client.complete(iter(wanted))), client.metrics


def texts(results):
    return [[choice.text for choice in result.choices] for result in results]


@pytest.fixture(scope="module")
def clean(server):
    """What a server without faults answers."""
    return texts(run([server], requests(150))[0])


def test_results_come_in_the_order_of_the_requests(server, clean):
    results, metrics = run([server], requests(150), max_in_flight=32)
    assert [result.request for result in results] == requests(150)
    assert texts(results) == clean
    assert all(result.error is None for result in results)
    assert metrics.answers == metrics.requests == 150
    assert metrics.completion_tokens > 0


@pytest.mark.parametrize("most", [1, 3])
def test_concurrency_changes_nothing(server, clean, most):
    results, _ = run([server], requests(150), max_in_flight=most)
    assert texts(results) == clean


def test_the_cache_answers_without_a_server(server, clean, tmp_path):
    run([server], requests(150), tmp_path)
    results, metrics = run(["http://127.0.0.1:9/v1"], requests(150), tmp_path)
    assert texts(results) == clean
    assert metrics.requests == 0
    assert metrics.from_cache == 150


def test_equal_requests_are_sent_once(server, tmp_path):
    same = [Request(str(i), "same\n### Response", 100, 0.7) for i in range(40)]
    results, metrics = run([server], same, tmp_path)
    assert metrics.requests == 1
    assert len({result.choices[0].text for result in results}) == 1
    assert [result.request.key for result in results] == [str(i) for i in range(40)]


def test_endpoints_share_the_load_and_change_nothing(start_double, clean, tmp_path):
    records = [tmp_path / "a", tmp_path / "b"]
    urls = [start_double("--record", record, "--slots", 4, "--token-ms", 0.02) for record in records]
    results, _ = run(urls, requests(150))
    assert texts(results) == clean
    shares = [record.read_text().count("answered") for record in records]
    assert sum(shares) == 150
    assert min(shares) > 30


def test_requests_with_the_same_prefix_go_to_the_same_endpoint(scripted_server):
    servers = [scripted_server(lambda _: completion("answer")) for _ in range(2)]
    wanted = [Request(str(i), f"{i % 8} {i}", 10, prefix=f"prefix {i % 8}") for i in range(48)]
    run([server.url for server in servers], wanted, max_in_flight=1)
    received = [{body["prompt"].split()[0] for body in server.bodies} for server in servers]
    assert received[0] | received[1] == {str(number) for number in range(8)}
    assert not received[0] & received[1]
    assert all(received)


def test_a_dead_endpoint_is_left_out(server, clean):
    results, metrics = run(["http://127.0.0.1:9/v1", server], requests(150))
    assert texts(results) == clean
    assert metrics.retries["unreachable"] <= 5


def test_faults_lose_and_double_nothing(start_double, clean, tmp_path):
    record = tmp_path / "record"
    faults = [argument for kind in FAULTS for argument in ("--fault", f"{kind}=0.1")]
    url = start_double("--record", record, *faults)
    results, metrics = run([url], requests(150), tmp_path / "cache", max_retries=60, timeout_s=1.5)
    assert texts(results) == clean
    assert all(result.error is None for result in results)
    answered = [line for line in record.read_text().splitlines() if line.startswith("answered")]
    assert len(answered) == len(set(answered)) == 150
    for kind in ("http_429", "http_500", "connection", "timeout", "missing_choices", "invalid_json"):
        assert metrics.retries[kind] > 0, kind
    assert metrics.requests == 150 + metrics.retries.total()


def test_retry_after_is_obeyed(start_double):
    url = start_double("--fault", "rate_limit=0.5", "--retry-after", "0.5")
    results, metrics = run([url], requests(6), max_in_flight=6, max_retries=30)
    assert all(result.error is None for result in results)
    assert metrics.retries["http_429"] > 0
    assert metrics.to_json()["seconds"] >= 0.5


def test_a_request_that_keeps_failing_is_reported_and_not_cached(start_double, server, tmp_path):
    url = start_double("--fault", "server_error=1")
    results, metrics = run([url], requests(3), tmp_path, max_retries=1)
    assert [result.error for result in results] == ["http_500: out of luck (sent 2 times)"] * 3
    assert metrics.failures == {"http_500": 3}
    again, _ = run([server], requests(3), tmp_path)
    assert all(result.error is None for result in again)


def test_a_refusal_fails_at_once_with_the_servers_message(server):
    broken = Request("record 7", "x", 10, extra={"model": "another"})
    (result,), metrics = run([server], [broken])
    assert result.error == "http_404: The model `another` does not exist."
    assert metrics.requests == 1


def test_another_model_is_noticed_before_the_first_request(start_double, tmp_path):
    record = tmp_path / "record"
    url = start_double("--record", record, "--revision", "abc")
    config = ClientConfig()
    for model, identity, message in [
        ("other", "x", "does not serve 'other', it serves base"),
        ("base", "org/model@def", "expected def, found abc"),
        ("base", "0" * 64, "found abc"),
    ]:
        with (
            open_client([url], model, identity=identity, cache=None, settings=config) as client,
            pytest.raises(ConfigError, match=message),
        ):
            list(client.complete(requests(1)))
    with open_client([url], "base", identity="org/model@abc", cache=None, settings=config) as client:
        assert next(client.complete(requests(1))).error is None
    assert record.read_text().count("asked") == 1


def test_no_server_is_an_infrastructure_error():
    with pytest.raises(InfrastructureError, match="no server can be reached"):
        run(["http://127.0.0.1:9/v1/"], requests(1))
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL"):
        run([], requests(1))


def test_keys_go_into_headers_and_into_no_file(server, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    results, metrics = run([server], requests(2), tmp_path)
    assert results[0].error is None
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sk-secret" not in written + json.dumps(metrics.to_json()).encode()


def test_the_consumer_may_stop_early(server, tmp_path):
    with open_client([server], "base", identity="test", cache=tmp_path) as client:
        results = client.complete(requests(300))
        first = [next(results) for _ in range(3)]
    assert [result.request.key for result in first] == ["record 0", "record 1", "record 2"]


def test_the_key_holds_everything_that_decides_the_answer():
    base = Request("a", "p", 10, 0.5, n=2, seed=1, stop=("x",))
    variants = [
        Request("a", "q", 10, 0.5, n=2, seed=1, stop=("x",)),
        Request("a", "p", 11, 0.5, n=2, seed=1, stop=("x",)),
        Request("a", "p", 10, 0.6, n=2, seed=1, stop=("x",)),
        Request("a", "p", 10, 0.5, n=3, seed=1, stop=("x",)),
        Request("a", "p", 10, 0.5, n=2, seed=2, stop=("x",)),
        Request("a", "p", 10, 0.5, n=2, seed=1, stop=("y",)),
        Request("a", "p", 10, 0.5, n=2, seed=1, stop=("x",), logprobs=1),
        Request("a", "p", 10, 0.5, n=2, seed=1, stop=("x",), extra={"top_p": 0.9}),
    ]
    keys = {request_key("m", variant.body()) for variant in [base, *variants]}
    keys.add(request_key("another model", base.body()))
    assert len(keys) == len(variants) + 2
    renamed = Request("b", "p", 10, 0.5, n=2, seed=1, stop=("x",))
    assert request_key("m", renamed.body()) == request_key("m", base.body())


@pytest.mark.parametrize("reason", ["abort", None, "error"])
def test_an_answer_that_was_broken_off_is_asked_for_again(scripted_server, tmp_path, reason):
    replies = iter(
        [completion("  lo", "  lo", finish_reason=reason), completion("whole", "cut at the limit")]
    )
    server = scripted_server(lambda _: next(replies))
    ((result,), metrics) = run([server.url], requests(1), tmp_path)
    assert [choice.text for choice in result.choices] == ["whole", "cut at the limit"]
    assert metrics.retries == {"unfinished": 1}
    (again,), metrics = run(["http://127.0.0.1:9/v1"], requests(1), tmp_path)
    assert (again.choices, metrics.requests) == (result.choices, 0)


def test_answers_that_are_always_broken_off_are_an_error_and_not_cached(scripted_server, server, tmp_path):
    broken = scripted_server(lambda body: completion(*["x"] * body["n"], finish_reason="abort"))
    results, _ = run([broken.url], requests(3), tmp_path, max_retries=2)
    assert {result.error for result in results} == {
        "unfinished: the completion is incomplete (finish_reason 'abort') (sent 3 times)"
    }
    again, metrics = run([server], requests(3), tmp_path)
    assert all(result.error is None for result in again)
    assert metrics.from_cache == 0


def test_a_cache_does_not_answer_with_what_was_broken_off(server, clean, tmp_path):
    fragment = {"text": "fra", "finish_reason": "abort", "logprobs": None}
    with open_completion_cache(tmp_path) as cache:
        for each in requests(4):
            value = {"model": "test", "choices": [fragment] * 2, "usage": {}}
            cache.append([(request_key("test", each.body()), value)])
    for from_cache in (0, 4):
        results, metrics = run([server], requests(4), tmp_path)
        assert texts(results) == clean[:4]
        assert metrics.from_cache == from_cache


SAMPLE = {"text": "x", "finish_reason": "stop", "logprobs": None}


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"choices": [SAMPLE] * 2},
        {"choices": [SAMPLE] * 2, "usage": None},
        {"choices": None, "usage": {}},
        {"choices": ["x", "y"], "usage": {}},
        {"choices": [{"text": "x"}] * 2, "usage": {}},
        {"choices": [{**SAMPLE, "text": 1}] * 2, "usage": {}},
    ],
)
def test_a_cached_value_that_was_damaged_is_requested_once_more(server, clean, tmp_path, value):
    with open_completion_cache(tmp_path) as cache:
        cache.append([(request_key("test", requests(1)[0].body()), value)])
    for from_cache in (0, 1):
        results, metrics = run([server], requests(1), tmp_path)
        assert texts(results) == clean[:1]
        assert metrics.from_cache == from_cache


def test_the_finish_reasons_of_the_request_count(scripted_server):
    server = scripted_server(lambda _: completion("x", finish_reason="stop_sequence"))
    fine = Request("record 0", "p", 10, finished=("stop_sequence",))
    assert run([server.url], [fine])[0][0].choices[0].text == "x"
    assert run([server.url], [Request("record 0", "p", 10)], max_retries=0)[0][0].error is not None


def test_the_server_is_sent_four_stop_strings_and_answers_end_at_all(scripted_server, tmp_path):
    server = scripted_server(lambda _: completion("one\nSTOP 3 two STOP 5 three", "no stop", "STOP 1"))
    stop = tuple(f"STOP {number}" for number in range(6))
    for _ in range(2):  # from the server, then from the completion cache
        (result,), _ = run([server.url], [Request("record 0", "p", 10, n=3, stop=stop)], tmp_path)
        assert [choice.text for choice in result.choices] == ["one\n", "no stop", ""]
    assert [body["stop"] for body in server.bodies] == [list(stop[:4])]


@pytest.mark.parametrize("status", [400, 413, 422, 404, 401])
def test_a_refusal_of_the_request_itself_is_told_from_others(scripted_server, status):
    server = scripted_server(lambda _: error(status, "no"))
    (result,), metrics = run([server.url], requests(1))
    assert result.error == f"http_{status}: no"
    assert result.refused is (status in (400, 413, 422))
    assert metrics.requests == 1


def test_an_empty_account_is_not_asked_again(scripted_server):
    value = {"error": {"message": "you exceeded your quota", "code": "insufficient_quota"}}
    server = scripted_server(lambda _: (429, {}, value))
    (result,), metrics = run([server.url], requests(1))
    assert (result.error, metrics.requests) == ("http_429: you exceeded your quota", 1)


def test_a_long_retry_after_is_cut_and_said(scripted_server, caplog):
    replies = iter([error(429, "slow down", Retry_After="86400"), completion("a", "b")])
    server = scripted_server(lambda _: next(replies))
    (result,), _ = run([server.url], requests(1), retry_after_longest_s=0.2)
    assert result.error is None
    (line,) = [record.message for record in caplog.records if "requests a wait of" in record.message]
    assert line == (
        f"{server.url} requests a wait of 86400 s (http_429: slow down), "
        "limited to client.retry_after_longest_s = 0.2 s"
    )


def test_a_half_character_in_a_prompt_is_the_records_own_fault(server):
    (bad, good), _ = run([server], [Request("record 0", "a \ud83d b", 10), *requests(1)])
    assert bad.refused
    assert good.error is None


def test_the_packages_variables_decide_the_headers(scripted_server, monkeypatch):
    server = scripted_server(lambda _: completion("a", "b"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert run([server.url], requests(1))[0][0].error is None
    for name, value in {"API_KEY": "sk-1", "ORG_ID": "org-1", "PROJECT_ID": "proj-1"}.items():
        monkeypatch.setenv(f"OPENAI_{name}", value)
    assert run([server.url], requests(1), headers={"X-Team": "t"})[0][0].error is None
    headers = {name.lower(): value for name, value in server.requests[-1][0].items()}
    assert headers["authorization"] == "Bearer sk-1"
    assert headers["openai-organization"] == "org-1"
    assert headers["openai-project"] == "proj-1"
    assert headers["x-team"] == "t"


def test_a_proxy_is_not_asked_for_servers_of_this_machine(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert run([server], requests(1))[0][0].error is None


def test_no_request_is_logged_and_the_package_does_not_try_again(scripted_server, caplog):
    configure_logging("INFO")
    server = scripted_server(lambda _: error(500, "down"))
    with caplog.at_level("INFO"):
        (result,), _ = run([server.url], requests(1), max_retries=2)
    assert result.error == "http_500: down (sent 3 times)"
    assert len(server.requests) == 3
    assert [record for record in caplog.records if record.name.partition(".")[0] != "selfalign"] == []


def test_half_a_surrogate_pair_in_a_completion_is_replaced(scripted_server, tmp_path):
    server = scripted_server(lambda _: completion("cut \ud83d here", "whole \U0001f600"))
    (wanted,) = requests(1)
    for _ in range(2):  # the second from the cache
        assert texts(run([server.url], [wanted], tmp_path)[0]) == [["cut \ufffd here", "whole \U0001f600"]]
    assert len(server.requests) == 1
