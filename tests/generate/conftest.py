"""The few-shot file of the repository, and records of seeds."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def few_shots(root):
    return root / "prompts" / "few_shots.txt"


@pytest.fixture
def seeds(tmp_path):
    """A function that writes a file of `count` seeds and returns its path."""

    def write(count, name="seeds.jsonl"):
        path = tmp_path / name
        rows = ({"seed": f"def f{i}(x):\n    return x + {i}", "index": i} for i in range(count))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write
