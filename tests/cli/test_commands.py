"""The names that others build on: every stage is a command, every command explains itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.jsonl import read_jsonl, write_jsonl

STAGES = (
    "seeds extract",
    "seeds filter",
    "seeds dedup",
    "seeds judge",
    "prompts",
    "generate",
    "execute",
    "sanitize",
    "matrix",
    "consensus",
    "preferences",
    "mutation",
    "select",
    "decontaminate",
    "find-solutions",
    "train",
    "prefer",
    "score",
    "report",
)
DRAWING = ("prompts", "generate", "sanitize", "select", "train", "prefer")


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


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["select"],
        ["select", "--nonsense", "a", "b"],
        ["select", "a", "b", "--log-level", "loud"],
        ["consensus", "a", "b"],
        ["preferences", "a", "b", "--matrix", "c"],
        ["matrix", "a", "b", "--scope", "global"],
        ["matrix", "a", str(Path(__file__).parent)],
        ["mutation", "a", "b", "--min-kill-rate", "2"],
        ["mutation", "a", "b", "--min-kill-rate", "nan"],
        ["plan", "--price", "nan"],
        ["plan", "--seeds", f"{10**20}"],
        ["plan", "--tokens-per-s", "inf"],
        ["plan", "--price-per-kwh", "inf"],
        ["plan", "evaluation", "--watts", "nan"],
        ["sandbox", "serve", "--token-file", "a", "--port", "99999"],
        ["sandbox", "serve", "--token-file", "a", "--port", "-1"],
    ],
)
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


def test_a_check_drops_nothing_that_the_filters_keep(tmp_path):
    write_jsonl(tmp_path / "rows", [{"seed": 'def f(x):\n    """One."""\n    return x'}])
    for command in ("filter", "check"):
        words = ["seeds", command, str(tmp_path / "rows"), str(tmp_path / command), "--workers", "1"]
        done = CliRunner().invoke(build_app(), words if command == "check" else words[:-2])
        assert done.exit_code == 0, done.output
    assert [row["seed"] for row in read_jsonl(tmp_path / "filter")] == [
        row["seed"] for row in read_jsonl(tmp_path / "check")
    ]
    assert len(list(read_jsonl(tmp_path / "check"))) == 1


def test_the_response_with_most_agreement_is_kept_and_its_tests_are_rated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bodies = ("return x + 1", "y = x + 1\n    return y", "return x + 2")
    rows = [
        {
            "index": 5,
            "instruction": "Add one.",
            "response": f"[Reasoning]\nR.\n\n[Implementation]\n```python\ndef inc(x):\n    {body}\n```\n\n"
            f"[Explanation]\nE.\n\n[Tests]\n```python\nassert inc({number}) == {number} + {1 + (number > 1)}\n```\n",
            "lineage": {"sample": {"number": number}},
        }
        for number, body in enumerate(bodies)
    ]
    write_jsonl("passed.jsonl", rows[:2])
    write_jsonl("failed.jsonl", [{**rows[2], "reason": "assertion"}])
    for words in (
        "matrix passed.jsonl matrix.jsonl --failed failed.jsonl --runtime none --environment build --workers 1",
        "consensus passed.jsonl best.jsonl --matrix matrix.jsonl --dropped others.jsonl --complete-code",
        "sanitize best.jsonl raw.jsonl --pass raw",
        "sanitize raw.jsonl final.jsonl --pass smart",
        "preferences final.jsonl pairs.jsonl --matrix matrix.jsonl --responses passed.jsonl --responses failed.jsonl",
        "mutation best.jsonl rated.jsonl --runtime none --environment build --workers 1 --cache verdicts.sqlite",
    ):
        done = CliRunner().invoke(build_app(), words.split())
        assert done.exit_code == 0, done.output
    (matrix,) = read_jsonl("matrix.jsonl")
    passed, failed = "passed", "assertion"
    assert matrix["verdicts"] == [
        [passed, passed, failed],
        [passed, passed, failed],
        [failed, failed, passed],
    ]
    assert [(row["reason"], row["detail"]["kept"]) for row in read_jsonl("others.jsonl")] == [
        ("other_response", "5.0")
    ]
    (pair,) = read_jsonl("pairs.jsonl")
    assert "return x + 1" in pair["chosen"]
    assert "return x + 2" in pair["rejected"]
    (row,) = read_jsonl("rated.jsonl")
    assert (row["test_kill_rate"], row["lineage"]["mutation"]["mutants"]) == (1.0, 3)
    assert (tmp_path / "verdicts.sqlite").exists()
