"""The command lines of servers."""

import importlib.util
import os

import pytest

from selfalign.core.config import load_config
from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import ConfigError
from selfalign.serving import command


@pytest.mark.parametrize(
    ("bfloat16", "cores", "expected"),
    [
        # One core is left for the jobs.
        (True, {2, 5, 6}, "2,5"),
        (True, {4}, "4"),
        # Computing in float32 takes so long that it is better done by all of them.
        (False, {2, 5, 6}, "2,5,6"),
    ],
)
def test_the_cores_of_a_server_on_a_cpu_whatever_the_job_that_starts_it(
    monkeypatch, tmp_path, bfloat16, cores, expected
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: True)
    monkeypatch.setattr(command, "has_bfloat16", lambda: bfloat16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    env = command.server_command(ServerConfig(kind="vllm"), tmp_path, "base", 1).env
    assert env["VLLM_CPU_OMP_THREADS_BIND"] == expected
    # Snakemake sets these to the job's threads, and a server is started by whichever job comes first.
    for library in ("OMP", "MKL", "OPENBLAS"):
        assert env[f"{library}_NUM_THREADS"] == str(expected.count(",") + 1)


@pytest.mark.parametrize("cpu", [True, False])
def test_additional_arguments_come_last(monkeypatch, tmp_path, cpu):
    """The last of repeated arguments counts."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: cpu)
    given = ["--max-num-batched-tokens", "4096", "--block-size", "64"]
    argv = command.server_command(ServerConfig(kind="vllm", extra_args=given), tmp_path, "base", 1).argv
    assert argv[-len(given) :] == given
    assert argv.count("--block-size") == (2 if cpu else 1)


def test_on_a_gpu_the_inherited_limits_stand(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "is_cpu_build", lambda: False)
    assert not [
        name
        for name in command.server_command(ServerConfig(kind="vllm"), tmp_path, "base", 1).env
        if "THREADS" in name
    ]


def test_a_configured_command_has_its_placeholders_filled_in_and_no_other_braces(tmp_path):
    words = ["sh", "-c", "serve {model}", "--port={port}", "{host}", "{name}", '{"a": {}}']
    config = load_config({"server": {"kind": "command", "command": words, "extra_args": ["--more"]}}).server
    found = command.server_command(config, tmp_path, "small", 81)
    assert found.argv == [
        *("sh", "-c", f"serve {tmp_path}", "--port=81", "127.0.0.1", "small", '{"a": {}}', "--more")
    ]
    assert found.ready_path == "/v1/models"


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"kind": "command"}, r"'server.command' is \[\]; .*\{model\} and \{port\}"),
        ({"kind": "command", "command": ["serve", "{model}"]}, r"words of a command with \{port\} in them"),
        ({"kind": "double"}, "'server.kind' is 'double'; expected 'vllm', 'container', 'command' or"),
    ],
)
def test_what_cannot_be_started_is_refused_when_the_configuration_is_read(server, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"server": server})


def test_a_command_that_is_not_installed_is_named(tmp_path):
    config = load_config({"server": {"kind": "command", "command": ["no-such", "{model}{port}"]}}).server
    with pytest.raises(ConfigError, match=r"'server.command' starts with 'no-such', but no such command"):
        command.server_command(config, tmp_path, "base", 1)


def test_an_external_server_cannot_be_started(tmp_path):
    with pytest.raises(ConfigError, match="selfalign cannot start this kind of server"):
        command.server_command(ServerConfig(kind="external"), tmp_path, "base", 1)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("sse4_2 avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx512f avx2", False)],
)
def test_bfloat16_is_used_on_processors_that_compute_with_it(tmp_path, flags, expected):
    description = tmp_path / "cpuinfo"
    description.write_text(f"processor : 0\nflags : fpu {flags}\n")
    assert command.has_bfloat16(description) is expected
    assert not command.has_bfloat16(tmp_path / "none")
