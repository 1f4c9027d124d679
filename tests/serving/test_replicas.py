"""Several servers of one model on one node: their GPUs and cores, and that they start, serve and end together."""

import importlib.util
import os
import time

import httpx
import psutil
import pytest
from tests import model_server

from selfalign.client import Request
from selfalign.core.config import load_config
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.serving import command
from selfalign.serving.client import endpoints, served_client

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def config(tmp_path):
    """A function that returns a configuration with replicas of the test server."""

    def make(*arguments, **server):
        server = {"kind": "command", "command": model_server.command(*arguments), "replicas": 2, **server}
        cache = tmp_path / f"cache-{server['replicas']}"
        paths = {"results": str(tmp_path / "results"), "completion_cache": str(cache)}
        return load_config({"paths": paths, "server": server, "client": {"max_in_flight": 4, "outage_s": 5}})

    return make


def environments(checkpoint, **server):
    """The environments of all replicas."""
    settings = load_config({"server": server}).server
    return [
        command.server_command(settings, checkpoint, "base", 81, replica=number).env
        for number in range(settings.replicas)
    ]


@pytest.mark.parametrize(
    ("visible", "server", "expected"),
    [
        ("4,5, 6,7", {"replicas": 4}, ["4", "5", "6", "7"]),
        ("4,5,6,7", {"replicas": 2, "tensor_parallel": 2}, ["4,5", "6,7"]),
        ("GPU-a,GPU-b,GPU-c", {"replicas": 2}, ["GPU-a", "GPU-b"]),
        ("0,1,2,3", {"replicas": 2, "gpus": 2}, ["0,1", "2,3"]),
        ("0,1,2,3", {"replicas": 1, "tensor_parallel": 2}, [None]),
    ],
)
@pytest.mark.parametrize("kind", ["vllm", "command"])
def test_each_replica_has_gpus_of_its_own(kind, visible, server, expected, checkpoint, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if kind == "command":
        server = {**server, "command": model_server.command()}
    found = environments(checkpoint, kind=kind, **server)
    assert [env.get("CUDA_VISIBLE_DEVICES") for env in found] == expected


@pytest.mark.parametrize(("listed", "expected"), [("all", ["0", "1"]), ("2,5", ["2", "5"])])
def test_each_container_has_gpus_of_its_own(listed, expected, checkpoint, tmp_path, monkeypatch):
    for engine in ("docker", "podman", "apptainer"):
        (tmp_path / engine).write_text("#!/bin/sh\n")
        (tmp_path / engine).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for number in range(2):
        (tmp_path / f"driver/{number}").mkdir(parents=True)
        (tmp_path / f"driver/{number}/information").write_text("Model: NVIDIA H200\n")
    monkeypatch.setattr(command, "NVIDIA_DRIVER", tmp_path / "driver")
    for engine, argument in (
        ("docker", '"device={}"'),
        ("podman", "nvidia.com/gpu={}"),
        ("apptainer", "CUDA_VISIBLE_DEVICES={}"),
    ):
        container = {"engine": engine, "gpus": listed}
        settings = load_config({"server": {"kind": "container", "replicas": 2, "container": container}})
        for number, gpu in enumerate(expected):
            started = command.server_command(settings.server, checkpoint, "base", 81, replica=number)
            assert argument.format(gpu) in started.argv


@pytest.mark.parametrize("visible", ["0", ""])
def test_too_few_gpus_are_refused(visible, checkpoint, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(
        ConfigError, match=rf"each on 1 GPUs .*but {len(visible)} GPUs are visible .*at least 2"
    ):
        environments(checkpoint, kind="vllm", replicas=2)


@pytest.mark.parametrize(
    ("cores", "replicas", "expected"),
    [
        (range(8), 2, ["0,1,2", "3,4,5,6"]),
        (range(8), 3, ["0,1", "2,3", "4,5,6"]),
        ([3, 9], 2, ["3", "9"]),
    ],
)
def test_replicas_on_cpus_divide_the_cores(cores, replicas, expected, checkpoint, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: True)
    monkeypatch.setattr(command, "has_bfloat16", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(cores))
    found = environments(checkpoint, kind="vllm", replicas=replicas)
    assert [env["VLLM_CPU_OMP_THREADS_BIND"] for env in found] == expected
    assert [env["OMP_NUM_THREADS"] for env in found] == [str(each.count(",") + 1) for each in expected]
    with pytest.raises(ConfigError, match=r"expected at least one core for each replica"):
        environments(checkpoint, kind="vllm", replicas=len(cores) + 1)


@pytest.mark.parametrize(
    ("server", "message"),
    [
        (
            {"kind": "external"},
            r"'server\.replicas' is 2, but 'server\.kind' is 'external'.*'server\.endpoints'",
        ),
        (
            {"kind": "container", "container": {"gpus": "none"}},
            r"'server\.container\.gpus' is 'none'.*2 GPUs",
        ),
        (
            {"kind": "container", "container": {"gpus": "3"}},
            r"'server\.container\.gpus' is '3'.*list 2 indices",
        ),
        ({"replicas": 0}, r"'server\.replicas' is 0"),
    ],
)
def test_what_cannot_be_replicated_is_refused_when_the_configuration_is_read(server, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"server": {"replicas": 2, **server}})


def test_replicas_share_the_requests_and_answer_as_one_server_does(config, checkpoint, tmp_path, started):
    wanted = [
        Request(str(i), f"{i}\n### Response", 500, 0.7, n=2, seed=i, prefix=str(i % 8)) for i in range(60)
    ]
    answers = {}
    for replicas in (1, 3):
        records = tmp_path / f"records-{replicas}"
        records.mkdir()
        settings = config("--record", f"{records}/{{port}}", lifetime="job", replicas=replicas)
        with served_client(settings, checkpoint) as (client, _):
            answers[replicas] = [result.choices for result in client.complete(wanted)]
        shares = [record.read_text().count("answered") for record in records.iterdir()]
        assert (len(shares), sum(shares)) == (replicas, 60)
        assert min(shares) >= 5
    assert answers[1] == answers[3]
    assert not started()
    logs = sorted(path.name for path in (tmp_path / "results/default/logs/server").iterdir())
    job = f"base-job-{os.getpid()}"
    assert logs == [f"{job}-1.log", f"{job}-2.log", f"{job}.log"]


def test_a_replica_that_cannot_start_ends_the_others(config, checkpoint, tmp_path, started):
    once = ["sh", "-c", f'mkdir {tmp_path}/first && exec "$@"; echo no memory left; exit 3', "sh"]
    settings = config(lifetime="job", command=[*once, *model_server.command()])
    with pytest.raises(
        InfrastructureError, match=r"(?s)ended with status 3 before it was ready.*no memory left"
    ):
        with endpoints(settings, checkpoint, "base"):
            pass
    assert not started()


def test_jobs_go_on_with_the_other_replicas_and_the_next_job_has_a_complete_set(
    config, checkpoint, started, wait_until
):
    wanted = [Request(str(i), f"{i}\n### Response", 100, prefix=str(i)) for i in range(20)]

    def answers():
        for url in urls:
            try:
                yield httpx.get(f"{url}/models").status_code == 200
            except httpx.ConnectError:
                yield False

    with endpoints(config(), checkpoint, "base") as urls:
        assert len(urls) == 2
        first = urls
        with served_client(config(), checkpoint) as (client, _):
            served = client.complete(iter(wanted))
            next(served)
            port = urls[0].split(":")[2].removesuffix("/v1")
            processes = (p for p in started() if "selfalign.serving.process" not in p.cmdline())
            (process,) = (p for p in processes if p.cmdline()[-5:-4] == [port])
            process.send_signal(psutil.signal.SIGKILL)
            assert wait_until(lambda: list(answers()) == [False, True])
            assert [result.error for result in served] == [None] * 19
            time.sleep(1)
            assert list(answers()) == [False, True], "leases keep the other replica"
    assert wait_until(lambda: not started())
    with endpoints(config(), checkpoint, "base") as urls:
        assert list(answers()) == [True, True]
        assert not set(urls) & set(first)
    for process in started():
        process.terminate()
    assert wait_until(lambda: not started())


@pytest.mark.server
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_two_real_servers_on_cpus_answer_as_one_does(random_model, tmp_path):
    wanted = [
        Request(str(i), (7 + i % 4, *range(5, 40)), 12, prefix=str(i % 4), extra={"ignore_eos": True})
        for i in range(16)
    ]
    found = {}
    for replicas in (1, 2):
        server = {
            "kind": "vllm",
            "lifetime": "job",
            "dtype": "float32",
            "max_model_len": 256,
            "max_num_seqs": 4,
            "kv_cache_gib": 1,
            "replicas": replicas,
        }
        results = tmp_path / f"results-{replicas}"
        paths = {"results": str(results), "completion_cache": str(results / "cache")}
        settings = load_config({"paths": paths, "server": server})
        with served_client(settings, random_model) as (client, _):
            found[replicas] = [result.choices for result in client.complete(wanted)]
        logs = list((results / "default/logs/server").iterdir())
        assert ["POST /v1/completions" in log.read_text() for log in logs] == [True] * replicas
    assert found[1] == found[2]
