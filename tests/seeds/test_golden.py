"""Seed functions and verdicts of the reference, on three pinned packages, through the commands."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from tests.vectors import VECTORS
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.seeds.functions import returns_value

pytestmark = pytest.mark.faithful


def run(*arguments: object) -> None:
    result = CliRunner().invoke(build_app(), ["seeds", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def test_extraction_finds_the_functions_of_the_reference(packages, tmp_path):
    run("extract", packages, tmp_path / "functions.jsonl", "--workers", 2)
    rows = defaultdict(list)
    for row in read_jsonl(tmp_path / "functions.jsonl"):
        rows[row["path"]].append(row)
    expected = json.loads((VECTORS / "seed_functions.json").read_text())
    assert sum(len(file["functions"]) for file in expected) == 349
    assert sum(len(file["with_return"]) for file in expected) == 273
    assert {path for path in rows if "/tests/" not in path} <= {file["path"] for file in expected}
    for file in expected:
        found = rows[file["path"]]
        assert [row["sha1"] for row in found] == file["functions"], file["path"]
        with_return = [row["sha1"] for row in found if returns_value(row["seed"])]
        assert with_return == file["with_return"], file["path"]


def test_faithful_filters_give_the_verdicts_of_the_reference(packages, tmp_path):
    verdicts = json.loads((VECTORS / "seed_verdicts.json").read_text())
    run("extract", packages, tmp_path / "all.jsonl")
    functions = {(row["path"], row["sha1"]): row for row in read_jsonl(tmp_path / "all.jsonl")}
    write_jsonl(tmp_path / "in.jsonl", (functions[v["path"], v["sha1"]] for v in verdicts))
    out, dropped = tmp_path / "out.jsonl", tmp_path / "dropped.jsonl"
    run("filter", "--faithful", tmp_path / "in.jsonl", out, "--dropped", dropped)
    found = {(row["path"], row["sha1"]): "keep" for row in read_jsonl(out)}
    found |= {(row["path"], row["sha1"]): row["reason"] for row in read_jsonl(dropped)}
    assert found == {(v["path"], v["sha1"]): v["verdict"] for v in verdicts}
