"""All 180 prompts of the reference, byte for byte, through the command."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import pytest
from tests.vectors import VECTORS
from typer.testing import CliRunner

from selfalign.cli import build_app

pytestmark = pytest.mark.faithful

ROWS = [json.loads(line) for line in (VECTORS / "prompts.jsonl").read_text().splitlines()]
CASES = sorted({(row["mode"], row["num_fewshots"]) for row in ROWS})


@pytest.mark.parametrize(("mode", "num_fewshots"), CASES)
def test_command_writes_the_reference_prompts(mode, num_fewshots, tmp_path):
    chosen = [row for row in ROWS if (row["mode"], row["num_fewshots"]) == (mode, num_fewshots)]
    records, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    records.write_text(
        "".join(json.dumps({**row["example"], "index": row["index"]}) + "\n" for row in chosen)
    )
    arguments = ["prompts", "--mode", mode, "--few-shots", str(VECTORS / "few_shots.txt"), "--num-few-shots"]
    run = CliRunner().invoke(build_app(), [*arguments, str(num_fewshots), str(records), str(out)])
    assert run.exit_code == 0, run.output
    written = [json.loads(line) for line in out.read_text().splitlines()]
    samples = 10 if mode == "I->R" else 1
    for expected, row in zip(chosen, written, strict=True):
        assert row["prompt"].endswith(expected["prompt_tail"])
        assert len(row["prompt"]) == expected["prompt_chars"]
        assert hashlib.sha256(row["prompt"].encode()).hexdigest() == expected["prompt_sha256"]
        assert row["request_seed"] == 3407 + expected["index"]
        assert row["sampling"] == {
            "n": samples,
            "temperature": 0.7,
            "max_tokens": 1536,
            "stop": ["## Example"],
        }


def test_all_180_are_covered():
    assert Counter((row["mode"], row["num_fewshots"]) for row in ROWS) == {
        ("S->C", 2): 18,
        ("S->C", 4): 12,
        ("S->C", 8): 30,
        ("C->I", 2): 15,
        ("C->I", 4): 15,
        ("C->I", 8): 30,
        ("I->R", 1): 60,
    }
