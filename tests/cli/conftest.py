"""A place with files good and bad, servers that are there and not, and the command as a person sees it."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests import model_server

from selfalign.cli import main

GOOD = {"seed": 'def f(x):\n    """Doc."""\n    return x', "instruction": "Add.", "response": "a"}
FILES = {
    "good.jsonl": json.dumps(GOOD) + "\n",
    "empty.jsonl": "",
    "text.jsonl": json.dumps(GOOD) + "\nnot json\n",
    "list.jsonl": "[1]\n",
    "no_response.jsonl": json.dumps(GOOD) + '\n{"instruction": "a"}\n',
    "number.jsonl": '{"instruction": 1, "response": "x"}\n',
    "foreign_task.jsonl": '{"task_id": "X/1", "completion": "x"}\n',
    "no_completion.jsonl": '{"task_id": "HumanEval/1"}\n',
    "few_shots.txt": "hello\n",
    "token": "secret\n",
    "lineage.jsonl": json.dumps({**GOOD, "lineage": "by hand"}) + "\n",
    "unknown_key.yaml": "seeds: {coutn: 3}\n",
    "wrong_type.yaml": "seeds: {count: many}\n",
    "wrong_choice.yaml": "server: {kind: vlm}\n",
    "out_of_range.yaml": "seeds: {count: 0}\n",
    "half_model.yaml": "model: {source: hub, revision: main}\n",
    "two_models.yaml": "model: {source: path, path: x, id: a/b}\n",
    "no_section.yaml": "seeds: 3\n",
    "bad_name.yaml": 'run: "a b"\n',
    "a_list.yaml": "- 1\n",
    "no_yaml.yaml": "a: [\n",
    "accelerate.yaml": "training: {min_rows: 1, accelerate: nope}\n",
    "one_row.yaml": "training: {min_rows: 1}\n",
    "t5/config.json": '{"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}',
}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with :data:`FILES`, and some that are not text."""
    directory = tmp_path_factory.mktemp("mistakes")
    for name, text in FILES.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    (directory / "latin.jsonl").write_bytes(b"\xff\xfe\n")
    (directory / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-20])
    (directory / "nothing").mkdir()
    return directory


@pytest.fixture(scope="session")
def world(place: Path, root: Path) -> Iterator[dict[str, str]]:
    """Names for the table: the place, a server of another model, a port nobody listens on, one in use."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(model_server.running("--model", "other"))
        used = stack.enter_context(socket.socket())
        used.bind(("127.0.0.1", 0))
        used.listen()
        free = stack.enter_context(socket.socket())
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        yield {
            "t": str(place),
            "prompts": str(root / "prompts"),
            "other": url,
            "other_without_v1": url.removesuffix("/v1"),
            "dead": f"http://127.0.0.1:{free.getsockname()[1]}",
            "used": str(used.getsockname()[1]),
        }


@pytest.fixture
def say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """A function that runs ``selfalign ARGUMENTS`` here; it returns the exit status and the line of the error."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "SELFALIGN_SANDBOX_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # restored afterwards: the command sets it

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["selfalign", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = capsys.readouterr().err.splitlines()
        errors = [line for line in lines if line.startswith("selfalign: error: ")]
        return int(ended.value.code or 0), errors[0] if errors else "\n".join(lines)

    return run
