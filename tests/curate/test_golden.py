"""The reference's outputs, byte for byte, through the commands."""

import json

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app

STEPS = {
    "sanitized_raw": (["sanitize", "--pass", "raw"], "filtered"),
    "selected": (["select"], "sanitized_raw"),
    "final": (["sanitize", "--pass", "smart"], "selected"),
}


def run(*arguments):
    result = CliRunner().invoke(build_app(), [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", STEPS)
def test_each_step_from_its_predecessor(shared, tmp_path, name):
    command, before = STEPS[name]
    run(*command, shared / f"golden/{before}.jsonl", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (shared / f"golden/{name}.jsonl").read_bytes()


def test_all_steps_in_a_row_with_every_dropped_row_accounted_for(shared, tmp_path):
    previous = shared / "golden/filtered.jsonl"
    for name, (command, _) in STEPS.items():
        out, dropped = tmp_path / f"{name}.jsonl", tmp_path / f"{name}.dropped.jsonl"
        run(*command, previous, out, "--dropped", dropped)
        rows = [json.loads(line) for line in dropped.read_text().splitlines()]
        assert all(row["reason"] for row in rows)
        lines = [len(path.read_text().splitlines()) for path in (previous, out, dropped)]
        assert lines[0] == lines[1] + lines[2]
        previous = out
    assert previous.read_bytes() == (shared / "golden/final.jsonl").read_bytes()


def test_names_are_diversified_on_request(shared, tmp_path):
    run("select", "--diversify-names", shared / "golden/sanitized_raw.jsonl", tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    from selfalign.core.fences import first_block
    from selfalign.curate.code import function_names

    names = [function_names(first_block(row["response"])) for row in rows]
    assert len(set(names)) == len(names)
