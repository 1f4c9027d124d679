"""vLLM in a container: the commands, and a real engine that starts and ends a server (a small one in vLLM's place)."""

import os
import signal
import subprocess
import time

import engine
import httpx
import pytest

from selfalign.core.config import load_config
from selfalign.core.errors import ConfigError, InfrastructureError
from selfalign.serving.command import server_command
from selfalign.serving.process import free_port, running

IMAGE = "selfalign-serving-test"
# What the image holds where vLLM's has vLLM: health and the names it was told to serve.
SERVER = """
import argparse, json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--model")
parser.add_argument("--served-model-name", nargs="+")
given, _ = parser.parse_known_args()
if "broken" in os.listdir(given.model):
    sys.exit("no weights in " + given.model)
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"served": given.served_model_name, "files": sorted(os.listdir(given.model))}).encode()
        self.send_response(200); self.end_headers(); self.wfile.write(body)
HTTPServer(("127.0.0.1", given.port), Handler).serve_forever()
"""
DOCKERFILE = f"""
FROM {engine.IMAGE}
USER root
COPY api_server.py /usr/lib/python3/dist-packages/vllm/entrypoints/openai/api_server.py
ENTRYPOINT ["false"]
"""


def server(**container):
    return load_config({"server": {"kind": "container", "tensor_parallel": 2, "container": container}}).server


@pytest.fixture
def engines(tmp_path, monkeypatch):
    """Commands with the names of the engines, first on PATH; nothing runs them."""
    for name in ("docker", "podman", "apptainer"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("container", "part"),
    [
        ({"engine": "docker"}, ["--gpus", "all"]),
        ({"engine": "docker", "gpus": "0,1"}, ["--gpus", '"device=0,1"']),
        (
            {"engine": "podman", "gpus": "0,1"},
            ["--device", "nvidia.com/gpu=0", "--device", "nvidia.com/gpu=1"],
        ),
        ({"engine": "apptainer", "gpus": "all"}, ["--nv"]),
        ({"engine": "apptainer", "gpus": "1"}, ["--env", "CUDA_VISIBLE_DEVICES=1", "--nv"]),
    ],
)
@pytest.mark.usefixtures("engines")
def test_each_engine_is_told_which_gpus(container, part):
    argv = server_command(server(**container), "/somewhere/base", "base", 8123).argv
    assert any(argv[start : start + len(part)] == part for start in range(len(argv)))
    assert argv[argv.index("--tensor-parallel-size") + 1] == "2"
    assert argv[argv.index("--port") + 1] == "8123"
    assert "/somewhere/base:/model:ro" in argv
    assert argv[argv.index("--model") + 1] == "/model"


@pytest.mark.usefixtures("engines")
@pytest.mark.parametrize("name", ["docker", "podman", "apptainer"])
def test_without_gpus_none_is_asked_for(name):
    argv = server_command(server(engine=name, gpus="none"), "/base", "base", 8123).argv
    assert not {"--gpus", "--device", "--nv"} & set(argv)


@pytest.mark.usefixtures("engines")
def test_a_tag_is_pulled_and_a_file_is_opened_by_apptainer():
    tag = server_command(server(engine="apptainer", image="vllm/vllm-openai:v1"), "/base", "base", 1).argv
    assert "docker://vllm/vllm-openai:v1" in tag
    file = server_command(server(engine="apptainer", image="/images/vllm.sif"), "/base", "base", 1).argv
    assert "/images/vllm.sif" in file


def test_an_engine_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match=r"server.container.engine' is 'podman'.*no such command"):
        server_command(server(engine="podman"), "/base", "base", 8123)


@pytest.fixture(scope="module")
def docker(tmp_path_factory):
    engine.need_engines()
    context = tmp_path_factory.mktemp("image")
    (context / "api_server.py").write_text(SERVER)
    (context / "Dockerfile").write_text(DOCKERFILE)
    with (
        engine.docker_engine(tmp_path_factory.mktemp("docker")) as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("DOCKER_HOST", address)
        patch.setenv("PATH", f"/usr/bin:{os.environ['PATH']}")
        engine.run(engine.DOCKER, "build", "-q", "-t", IMAGE, str(context), DOCKER_BUILDKIT="0")
        yield


def containers() -> str:
    return subprocess.run([engine.DOCKER, "ps", "-aq"], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/config.json").write_text("{}")
    return tmp_path / "base"


@pytest.mark.usefixtures("docker")
@pytest.mark.engine
def test_docker_serves_the_mounted_model_and_leaves_nothing(checkpoint, tmp_path):
    port = free_port()
    command = server_command(server(image=IMAGE, gpus="none"), checkpoint, "base", port)
    with running(command, port, tmp_path / "log", 60):
        said = httpx.get(f"http://127.0.0.1:{port}/v1/models").json()
        assert said == {"served": ["base"], "files": ["config.json"]}
        assert containers()
    assert containers() == ""


@pytest.mark.usefixtures("docker")
@pytest.mark.engine
def test_a_client_that_was_killed_leaves_no_container(checkpoint, tmp_path):
    port = free_port()
    command = server_command(server(image=IMAGE, gpus="none"), checkpoint, "base", port)
    with running(command, port, tmp_path / "log", 60) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        time.sleep(0.5)
        assert containers()  # the proof can fail: the container outlives the client
    assert containers() == ""


@pytest.mark.usefixtures("docker")
@pytest.mark.engine
def test_a_server_that_ends_is_told_with_its_last_lines(checkpoint, tmp_path):
    (checkpoint / "broken").touch()
    port = free_port()
    command = server_command(server(image=IMAGE, gpus="none"), checkpoint, "base", port)
    with (
        pytest.raises(InfrastructureError, match="no weights in /model"),
        running(command, port, tmp_path / "log", 60),
    ):
        pass
    assert containers() == ""
