"""Outputs of commands: pipes, devices and links are written to, no file is both read and written."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfalign.cli import OUTPUTS, build_app
from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_jsonl, write_jsonl

SEEDS = [
    {"seed": f'def f{n}(x):\n    """Return x plus {n}, whatever x is."""\n    return x + {n}\n'}
    for n in range(3)
]


@pytest.fixture
def seeds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl("seeds.jsonl", SEEDS)
    return tmp_path / "seeds.jsonl"


def run(*arguments):
    return CliRunner().invoke(build_app(), [str(each) for each in arguments])


def test_a_pipe_is_written_to_and_stays(seeds):
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
    reader.start()
    assert run("seeds", "filter", seeds, "pipe").exit_code == 0
    reader.join(timeout=30)
    assert [json.loads(line)["seed"] for line in read[0].splitlines()] == [row["seed"] for row in SEEDS]
    assert Path("pipe").exists()
    assert not Path("pipe").is_file()


def test_standard_output_is_written_to(seeds):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "selfalign",
            "seeds",
            "filter",
            str(seeds),
            "/dev/stdout",
            "--dropped",
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sum(line.startswith('{"seed"') for line in done.stdout.splitlines()) == 3


def test_a_link_stays_and_its_target_is_replaced(seeds):
    write_jsonl("target.jsonl", [])
    Path("link.jsonl").symlink_to("target.jsonl")
    Path("dangling.jsonl").symlink_to("new.jsonl")
    for link, target in (("link.jsonl", "target.jsonl"), ("dangling.jsonl", "new.jsonl")):
        assert run("seeds", "filter", seeds, link).exit_code == 0
        assert Path(link).is_symlink()
        assert len(list(read_jsonl(target))) == 3


def test_a_socket_is_refused_in_one_line(seeds):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        with pytest.raises(DataError, match="socket: expected a file, pipe or character device"):
            CliRunner().invoke(build_app(), ["seeds", "filter", str(seeds), "socket"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["seeds", "filter", "seeds.jsonl", "seeds.jsonl"], "OUT and the input 'rows' are the same file"),
        (
            ["seeds", "filter", "seeds.jsonl", "./x/../seeds.jsonl"],
            "OUT and the input 'rows' are the same file",
        ),
        (["seeds", "filter", "seeds.jsonl", "link.jsonl"], "OUT and the input 'rows' are the same file"),
        (["seeds", "filter", "seeds.jsonl", "a", "--dropped", "a"], "OUT and --dropped are the same file"),
        (["execute", "seeds.jsonl", "a", "--verdicts", "seeds.jsonl"], "--verdicts and the input 'source'"),
        (["select", "seeds.jsonl", "a", "--dropped", "seeds.jsonl"], "--dropped and the input 'source'"),
    ],
)
@pytest.mark.usefixtures("seeds")
def test_an_output_is_a_file_of_its_own(arguments, line):
    Path("link.jsonl").symlink_to("seeds.jsonl")
    Path("x").mkdir()
    before = list(read_jsonl("seeds.jsonl"))
    with pytest.raises(DataError, match=line):
        CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert list(read_jsonl("seeds.jsonl")) == before
    assert not Path("a").exists()


def test_every_command_names_its_outputs_as_such():
    """A new parameter that is written to must be among OUTPUTS; one that is read only is listed here."""
    import typing

    read_only = {
        *(
            "source",
            "failed",
            "matrices",
            "tokenizer",
            "data",
            "directory",
            "records",
            "few_shots",
            "run",
            "runs",
            "config",
            "samples",
        ),
        *("published", "where", "dataset", "base", "token_file", "rows", "prompt", "throughput", "responses"),
        # Read if they are there, made if not: a directory, and a file with its own check.
        *("journal", "completion_cache", "ground_truth"),
    }

    def has_path(kind):
        return kind is Path or any(has_path(each) for each in typing.get_args(kind))

    def parameters(app):
        for command in app.registered_commands:
            hints = typing.get_type_hints(command.callback)
            yield from (name for name, kind in hints.items() if has_path(kind))
        for group in app.registered_groups:
            yield from parameters(group.typer_instance)

    assert set(parameters(build_app())) - read_only == OUTPUTS


@pytest.mark.parametrize(
    "line",
    ['{"seed": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"seed": ' + "1" * 5_000 + "}"],
    ids=["deep", "long integer"],
)
def test_json_that_python_does_not_read_is_one_line(seeds, line):
    seeds.write_text(seeds.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"seeds\.jsonl, record 4: cannot be read"):
        CliRunner().invoke(build_app(), ["seeds", "filter", str(seeds), "out.jsonl"], catch_exceptions=False)
