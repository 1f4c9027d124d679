"""The reference's outputs, byte for byte, through the commands.

Rows of the reference's selection have their keys in the order of a Python set, which differs from run to run. Ours
have them in a fixed order, so a selection is compared with the reference's rows in that order of keys.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.vectors import VECTORS
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.jsonl import read_jsonl

pytestmark = pytest.mark.faithful

KEYS = ["prompt", "fingerprint", "seed", "concepts", "instruction", "response"]

RAW, SMART = ["sanitize", "--pass", "raw"], ["sanitize", "--pass", "smart"]
STEPS = {
    "sanitized_raw": (RAW, "filtered"),
    "selected": (["select", "--diversify-names"], "sanitized_raw"),
    "selected_all": (["select"], "sanitized_raw"),
    "final": (SMART, "selected"),
    "final_all": (SMART, "selected_all"),
}
CHAINS = {
    "final": ["sanitized_raw", "selected", "final"],
    "final_all": ["sanitized_raw", "selected_all", "final_all"],
}
DROPPED = {
    "sanitized_raw": {"no_assertion": 13, "sections": 18, "tests_block": 32},
    "selected": {"repeated_instruction": 14, "repeated_names": 32, "repeated_response": 15},
    "selected_all": {"repeated_instruction": 24, "repeated_response": 18},
    "final": {"unfinished": 4},
    "final_all": {"unfinished": 5},
}


def run(*arguments):
    result = CliRunner().invoke(build_app(), [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def vector(name: str) -> Path:
    return VECTORS / f"{name}.jsonl"


def with_our_keys(name: str) -> str:
    """Return the rows of a vector with their keys in the order of our selection."""
    rows = list(read_jsonl(vector(name)))
    assert all(row.keys() == set(KEYS) for row in rows)
    return "".join(json.dumps({key: row[key] for key in KEYS}) + "\n" for row in rows)


@pytest.mark.parametrize("name", STEPS)
def test_each_step_from_its_predecessor(tmp_path, name):
    command, before = STEPS[name]
    run(*command, vector(before), tmp_path / "out.jsonl")
    expected = with_our_keys(name) if command[0] == "select" else vector(name).read_text()
    assert (tmp_path / "out.jsonl").read_text() == expected


@pytest.mark.parametrize("last", CHAINS)
def test_all_steps_in_a_row_with_every_dropped_row_accounted_for(tmp_path, last):
    previous = vector("filtered")
    for name in CHAINS[last]:
        command, _ = STEPS[name]
        out, dropped = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.dropped.jsonl"
        run(*command, previous, out, "--dropped", dropped)
        rows = list(read_jsonl(dropped))
        assert Counter(row["reason"] for row in rows) == DROPPED[name]
        assert len(list(read_jsonl(previous))) == len(list(read_jsonl(out))) + len(rows)
        previous = out
    assert previous.read_text() == with_our_keys(last)


def test_names_are_diversified_on_request(tmp_path):
    run("select", "--diversify-names", vector("sanitized_raw"), tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    from selfalign.core.code_blocks import first_block
    from selfalign.curate.code import function_names

    names = [function_names(first_block(row["response"])) for row in rows]
    assert len(set(names)) == len(names)
