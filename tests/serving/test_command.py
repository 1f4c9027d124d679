"""The command lines of servers."""

import importlib.util
import os

from selfalign.core.config.serving import ServerConfig
from selfalign.serving import command


def test_a_server_on_a_cpu_uses_all_cores_whatever_the_job_that_starts_it(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 6})
    env = command.server_command(ServerConfig(kind="vllm"), tmp_path, ["base"], 1).env
    assert env["VLLM_CPU_OMP_THREADS_BIND"] == "2,5,6"
    # Snakemake sets these to the job's threads, and a server is started by whichever job comes first.
    for library in ("OMP", "MKL", "OPENBLAS"):
        assert env[f"{library}_NUM_THREADS"] == "3"


def test_on_a_gpu_the_inherited_limits_stand(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: False)
    assert not [
        name
        for name in command.server_command(ServerConfig(kind="vllm"), tmp_path, ["base"], 1).env
        if "THREADS" in name
    ]
