"""The measured throughput: against a server whose rates are known, and as the basis of a plan."""

import json
import threading
import time
from types import SimpleNamespace

import pytest
from tests.scripted_server import completion, error
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core import energy
from selfalign.core.energy import Counter
from selfalign.core.errors import DataError, InfrastructureError
from selfalign.core.jsonl import write_json
from selfalign.plan import throughput
from selfalign.plan.throughput import Load, Pace, read_loads
from selfalign.plan.whole_run import Hardware, StageUsage, Usage, estimate_run

LOADS = (Load(1, 100.0, 400.0, 10.0, 8.0, 50.0), Load(8, 200.0, 800.0, 40.0, 30.0, 100.0))
USAGE = Usage(
    source="by hand",
    stages={"concepts": StageUsage(1.0, 100, 10, 1), "responses": StageUsage(0.5, 300, 100, 10)},
    passing=1.0,
    rows=0.5,
    row_tokens=450,
)


@pytest.fixture
def paced(scripted_server, monkeypatch):
    """A server whose requests take time of a clock of their own, one after another.

    A word of a prompt that it has not cached takes 1 ms, a completion token 2 ms.
    """
    seen, working, passed = set(), threading.Lock(), [0.0]
    clock = SimpleNamespace(monotonic=lambda: passed[0], time_ns=time.time_ns)
    monkeypatch.setattr(throughput, "time", clock)

    def reply(body):
        words = body["prompt"].split()
        prefix = tuple(words[:-20])
        with working:
            new = min(20, len(words)) if prefix in seen else len(words)
            seen.add(prefix)
            passed[0] += 1e-3 * new + 2e-3 * body["max_tokens"]
        status, headers, value = completion("word " * body["max_tokens"], finish_reason="length")
        value["usage"] = {"prompt_tokens": len(words), "completion_tokens": body["max_tokens"]}
        return status, headers, value

    return scripted_server(reply)


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "throughput.json"
    write_json(path, {"loads": [vars(load) for load in reversed(LOADS)]})
    return path


def test_the_command_measures_prompts_and_completions_with_and_without_a_shared_prefix(
    paced, tmp_path, monkeypatch
):
    monkeypatch.setattr(energy, "rapl_counters", lambda: [Counter("rapl", lambda: 40 * time.monotonic())])
    monkeypatch.setattr(energy, "nvml_counters", list)
    out = tmp_path / "throughput.json"
    arguments = ["plan", "measure", str(out), "--endpoint", paced.url, "--model", "base", "--in-flight", "2"]
    done = CliRunner().invoke(build_app(), [*arguments, "--prompt-words", "120", "--completion-tokens", "40"])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    (load,) = found["loads"]
    assert load["in_flight"] == 2
    # 120 words in 122 ms, or in 22 ms if all but 20 are cached; 40 tokens in 88 ms, or in 100 ms after 20 words.
    rates = [120 / 0.122, 120 / 0.022, 40 / 0.088, 40 / 0.1]
    assert [load[name] for name in throughput.RATES] == pytest.approx(rates, abs=0.01)
    assert load["watts"] == pytest.approx(40, rel=0.1)
    assert found["energy"]["sources"] == ["rapl"]
    assert "name" not in found["machine"]
    assert [each.in_flight for each in read_loads(out)] == [2]
    # Every prompt is sent once.
    prompts = [body["prompt"] for body in paced.bodies]
    assert len(set(prompts)) == len(prompts)


def test_energy_that_cannot_be_measured_is_not_known_or_given(paced, monkeypatch):
    monkeypatch.setattr(energy, "rapl_counters", list)
    monkeypatch.setattr(energy, "nvml_counters", list)
    quick = {"in_flight": [1], "prompt_words": 40, "completion_tokens": 2}
    unknown = throughput.measure([paced.url], "base", **quick)
    assert (unknown["loads"][0]["watts"], unknown["energy"]["sources"]) == (None, [])
    given = throughput.measure([paced.url], "base", watts=350.0, **quick)
    assert (given["loads"][0]["watts"], given["energy"]["sources"]) == (350.0, ["given"])


def test_a_server_that_fails_or_counts_no_tokens_is_not_measured(scripted_server):
    refusing = scripted_server(lambda _: error(400, "unknown field ignore_eos"))
    with pytest.raises(InfrastructureError, match=r"request 0: http_400: unknown field ignore_eos"):
        throughput.measure([refusing.url], "base", in_flight=[1])
    silent = scripted_server(lambda _: (200, {}, {"choices": completion("a")[2]["choices"]}))
    with pytest.raises(InfrastructureError, match=r"reports no token counts \(usage\.prompt_tokens\)"):
        throughput.measure([silent.url], "base", in_flight=[1])


@pytest.mark.parametrize(
    ("requests", "samples", "servers", "expected"),
    [(64, 1, 1, 8), (4, 1, 1, 1), (4, 2, 1, 8), (8, 1, 2, 1), (16, 1, 2, 8)],
)
def test_the_load_is_that_of_the_sequences_in_flight_at_each_server(requests, samples, servers, expected):
    assert Pace(LOADS, requests, servers=servers).load(samples).in_flight == expected


def test_hours_and_energy_follow_from_the_measured_rates():
    machine = Hardware(1, 100.0, price=2.0, price_per_kwh=0.5)
    plan = estimate_run("m", 10**9, 3600, USAGE, machine, pace=Pace(LOADS, 4))
    # Concepts at the first load, one sample each; responses at the second, 40 sequences in flight.
    concepts = 100 / 100 + 10 / 10
    responses = 0.5 * (300 / 200 + 100 / 40)
    assert plan.stages["concepts"].hours == pytest.approx(concepts)
    assert plan.stages["responses"].hours == pytest.approx(responses)
    assert plan.generation_hours == pytest.approx(concepts + responses)
    assert plan.stages["concepts"].energy_kwh == pytest.approx(concepts * 0.05)
    assert plan.stages["responses"].energy_kwh == pytest.approx(responses * 0.1)
    assert plan.stages["responses"].money == pytest.approx(responses * (2 + 0.1 * 0.5))
    assert (plan.stages["training"].hours, plan.stages["training"].energy_kwh) == (0, 0)
    assert plan.money == pytest.approx(sum(cost.money for cost in plan.stages.values()))
    shared = estimate_run("m", 10**9, 3600, USAGE, machine, pace=Pace(LOADS, 4, shared=True))
    assert shared.stages["concepts"].hours == pytest.approx(100 / 400 + 1)
    two = estimate_run("m", 10**9, 3600, USAGE, machine, pace=Pace(LOADS, 8, servers=2))
    assert two.stages["concepts"].hours == pytest.approx(concepts / 2)
    assert two.stages["concepts"].energy_kwh == pytest.approx(plan.stages["concepts"].energy_kwh)


def test_what_is_not_known_is_not_part_of_a_sum():
    machine = Hardware(1, 100.0, price_per_kwh=0.5)
    plan = estimate_run("m", 10**9, 3600, USAGE, machine, pace=Pace(LOADS, 4), training_hours=1.0)
    assert plan.stages["concepts"].money is not None
    assert (plan.stages["training"].energy_kwh, plan.stages["training"].money) == (None, None)
    assert (plan.energy_kwh, plan.money) == (None, None)
    given = Hardware(1, 100.0, price_per_kwh=0.5, watts=1000)
    plan = estimate_run("m", 10**9, 3600, USAGE, given, pace=Pace(LOADS, 4), training_hours=1.0)
    assert plan.energy_kwh == pytest.approx(plan.gpu_hours)
    assert plan.money == pytest.approx(plan.gpu_hours / 2)


def test_the_command_plans_with_the_measured_throughput(measured, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("client: {max_in_flight: 1}\nseeds: {count: 1000}\n")
    arguments = ["plan", "--config", str(config), "--throughput", str(measured), "--price-per-kwh", "0.3"]
    done = CliRunner().invoke(build_app(), [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    [plan] = json.loads(done.stdout)["plans"]
    assert list(plan["stages"]) == ["concepts", "instructions", "responses", "training", "evaluation"]
    # 1701 tokens of a prompt and 16 of a completion, one request in flight.
    assert plan["stages"]["concepts"]["hours"] == pytest.approx(1000 * (1701 / 400 + 1.6) / 3600, abs=0.01)
    assert plan["stages"]["concepts"]["energy_kwh"] == pytest.approx(
        1000 * (1701 / 400 + 1.6) / 3600 * 0.05, abs=0.01
    )
    assert plan["stages"]["training"]["energy_kwh"] is None
    assert plan["evaluation_hours"] == plan["stages"]["evaluation"]["hours"] > 0
    shown = CliRunner().invoke(build_app(), arguments)
    (line,) = (line for line in shown.stdout.splitlines() if line.startswith("training "))
    assert line.split(maxsplit=2)[2].split("  ") == ["not known", "not known"]
    evaluation = CliRunner().invoke(
        build_app(), ["plan", "evaluation", "--config", str(config), "--throughput", str(measured), "--json"]
    )
    assert json.loads(evaluation.stdout)["hours"] == pytest.approx(plan["evaluation_hours"], abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tokens-per-s", "9"], "--throughput conflicts with --tokens-per-s"),
        (["--servers", "0"], "--servers"),
    ],
)
def test_conflicting_options_are_refused(measured, options, message):
    done = CliRunner().invoke(build_app(), ["plan", "--throughput", str(measured), *options])
    assert done.exit_code != 0
    assert message in str(done.exception) + done.output


def test_several_servers_need_a_measurement():
    done = CliRunner().invoke(build_app(), ["plan", "--servers", "2"])
    assert "--servers needs --throughput" in str(done.exception)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"loads": []}, "expected a list of measured loads"),
        ([], "expected a list of measured loads"),
        ({"loads": [{**vars(LOADS[0]), "in_flight": 0}]}, r"'in_flight': expected a number above 0, found 0"),
        ({"loads": [vars(LOADS[0]), {"in_flight": 2}]}, r"2.*'prompt_tokens_per_s'.*found None"),
        ({"loads": [{**vars(LOADS[0]), "watts": -1}]}, "or null, found -1"),
        ({"loads": [{**vars(LOADS[0]), "watts": float("nan")}]}, "or null, found nan"),
        ({"loads": [{**vars(LOADS[0]), "prompt_tokens_per_s": float("nan")}]}, "above 0, found nan"),
        ({"loads": [{**vars(LOADS[0]), "completion_tokens_per_s": float("inf")}]}, "above 0, found inf"),
        ({"loads": [{**vars(LOADS[0]), "prompt_tokens_per_s": 10**400}]}, "above 0, found 1000"),
        ({"loads": [vars(LOADS[0]), vars(LOADS[0])]}, "'in_flight': expected each number of requests once"),
    ],
)
def test_another_file_is_refused(tmp_path, value, message):
    path = tmp_path / "throughput.json"
    write_json(path, value)
    with pytest.raises(DataError, match=message):
        read_loads(path)
