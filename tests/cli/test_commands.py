"""The names that others build on: every stage is a command, every command explains itself."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app

STAGES = (
    "seeds extract",
    "seeds filter",
    "seeds dedup",
    "seeds judge",
    "prompts",
    "generate",
    "execute",
    "sanitize",
    "select",
    "decontaminate",
    "train",
    "score",
    "report",
)
DRAWING = ("prompts", "generate", "sanitize", "select", "train")


def help_of(command):
    done = CliRunner().invoke(
        build_app(), [*command.split(), "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}
    )
    assert done.exit_code == 0, done.output
    return re.sub(r"\x1b\[[0-9;]*m", "", done.output)


@pytest.mark.parametrize("command", STAGES)
def test_every_stage_is_a_command(command):
    text = help_of(command)
    assert "--log-level" in text
    assert ("--seed" in text) == (command in DRAWING)


@pytest.mark.parametrize("words", [["nonsense"], ["select"], ["select", "--nonsense", "a", "b"]])
def test_a_wrong_command_line_has_status_2(words):
    assert CliRunner().invoke(build_app(), words).exit_code == 2


def test_trouble_with_the_data_has_status_1_and_one_line(tmp_path):
    command = [
        sys.executable,
        "-m",
        "selfalign",
        "select",
        str(tmp_path / "none.jsonl"),
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none.jsonl" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
