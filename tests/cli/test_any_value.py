"""Any JSON value in any field, for every command that reads records: a kept or dropped record, or one line about it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.tiny import write_tiny_checkpoint

from selfalign.cli import build_app, main
from selfalign.core.jsonl import read_jsonl, write_jsonl
from selfalign.report.funnel import write_funnel

RESPONSE = (
    "[Reasoning]\nShort.\n\n[Implementation]\n```python\ndef inc(x):\n    return x + 1\n```\n\n"
    "[Explanation]\nShort.\n\n[Tests]\n```python\nassert inc(1) == 2\n```\n"
)
GOOD = {
    "seed": 'def f(x):\n    """Return twice."""\n    return 2 * x',
    "concepts": ["a", "b"],
    "instruction": "Write inc.",
    "response": RESPONSE,
    "index": 0,
    "lineage": {"seed": {"file": "x"}},
    "task_id": "HumanEval/0",
    "completion": "    return 1",
    "chosen": "a",
    "rejected": "b",
    "status": "passed",
}
DROPS = "--dropped {dropped}"
COMMANDS = {
    "execute": f"execute {{rows}} {{out}} --runtime none --workers 1 {DROPS}",
    "sanitize raw": f"sanitize {{rows}} {{out}} --pass raw {DROPS}",
    "sanitize smart": f"sanitize {{rows}} {{out}} --pass smart {DROPS}",
    "matrix": "matrix {rows} {out} --runtime none --environment build --workers 1",
    "consensus": f"consensus {{rows}} {{out}} --matrix {{matrix}} --complete-code --asserting-tests {DROPS}",
    "preferences": f"preferences {{final}} {{out}} --matrix {{matrix}} --responses {{rows}} --complete-code {DROPS}",
    "mutation": f"mutation {{rows}} {{out}} --runtime none --environment build --workers 1 --max-mutants 1 {DROPS}",
    "select": f"select {{rows}} {{out}} --near code --near instruction --complete-code --asserting-tests "
    f"--diversify-names --code-language python {DROPS}",
    "decontaminate": f"decontaminate {{rows}} {{out}} --against humaneval {DROPS}",
    "seeds filter": f"seeds filter {{rows}} {{out}} {DROPS}",
    "seeds filter faithful": f"seeds filter {{rows}} {{out}} --faithful {DROPS}",
    "seeds dedup": f"seeds dedup {{rows}} {{out}} {DROPS}",
    "seeds check imports": f"seeds check {{rows}} {{out}} --no-types --workers 1 {DROPS}",
    "seeds check types": f"seeds check {{rows}} {{out}} --no-imports --workers 1 {DROPS}",
    "seeds judge": "seeds judge {rows} {out} --model other --endpoint {other} --prompt {prompts}/judge.yaml "
    f"{DROPS}",
    "seeds fetch": "seeds fetch {directory} rows.jsonl {out}",
    "prompts for concepts": "prompts {rows} {out} --mode S->C --few-shots {prompts}/few_shots.txt",
    "prompts for instructions": "prompts {rows} {out} --mode C->I --few-shots {prompts}/few_shots.txt",
    "prompts for responses": "prompts {rows} {out} --mode I->R --few-shots {prompts}/few_shots.txt",
    "generate": "generate {rows} {out} --mode I->R --model x --endpoint {dead}/v1 --few-shots {prompts}/few_shots.txt",
    "score": "score {rows} {out} --benchmark humaneval --runtime none --workers 1",
    "trace": "trace 1 {rows}",
    "trace as JSON": "trace 1 {rows} --json",
    "report": "report {run} {out}",
    # Refused after the rows were tokenized, and before the training.
    "train": "train {rows} {out} --base {base} --config {t}/accelerate.yaml",
    "prefer": "prefer {rows} {out} --base {base} --config {t}/accelerate.yaml",
}
# Commands that read no records; configuration, caches and the summaries of runs have tests of their own.
OTHER_COMMANDS = {
    *(
        "plan",
        "plan train",
        "plan evaluation",
        "plan measure",
        "plan published",
        "doctor",
        "config schema",
        "config default",
        "config reference",
    ),
    *("completion-cache inspect", "completion-cache compact", "sandbox self-test", "sandbox serve"),
    "sandbox install",
    *("seeds extract", "compare", "verify", "respond"),
    "find-solutions",  # takes seconds to start; tests/contamination/test_functions.py reads any response
}
# The record is a row of each of these files of the run.
FILES_OF_RUN = (
    *("dataset/train.jsonl", "dataset/dropped/select.jsonl"),
    *("concepts/shards/0000.jsonl", "execution/verdicts/0000.jsonl"),
)
# One broken field makes these fail for another reason, in one line about the file or the server.
OTHER_ERRORS = {
    "consensus": ("{rows}: no matrix for the rows with index", "{rows}, record 1"),
    "preferences": (
        "{final}: no matrix for the rows with index",
        "expected the responses of the matrices",
        "{final}, record 1",
        "{rows}, record 1",
    ),
    "prefer": ("configuration: 'training.accelerate' is 'nope'", "{rows}, record 1"),
    "score": ("have no sample", "{rows}, record 1"),
    "generate": ("no server can be reached at {dead}/v1", "{rows}, record 1"),
    "train": ("configuration: 'training.accelerate' is 'nope'", "{rows}, record 1"),
    "seeds fetch": ("rows.jsonl, record 1",),
    "report": tuple(f"{{run}}/{name}, record 1" for name in FILES_OF_RUN),
}
MATRIX = {
    "index": 0,
    "instruction": "Write inc.",
    "implementations": [["0.0"], ["0.1"]],
    "tests": [["0.0"], ["0.1"]],
    "verdicts": [["passed", "passed"], ["passed", "passed"]],
    "unusable": {},
}
FIELDS = (*GOOD, "sha1", "parsing_result", "solution", "error", "reason", "detail")
TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(categories=["Cs", "Cc", "Zl"]), max_size=3),
    st.sampled_from(
        [
            "```python\n",
            "[Tests]",
            "```python\n" + "(" * 500 + "\n```",
            "```python\nx" + ".y()" * 3000 + "\n```",
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(TEXTS, each, max_size=3)),
    max_leaves=6,
)


def nested(depth: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "model")


def commands_of(app: typer.Typer) -> set[str]:
    """Return the command lines of all commands, without their arguments."""
    root = typer.main.get_command(app)

    def below(command: Any, name: str) -> set[str]:
        parts = getattr(command, "commands", {})
        own = {name} if not parts or command.invoke_without_command else set()
        return own.union(*(below(each, f"{name} {part}".strip()) for part, each in parts.items()))

    return below(root, "") - {""}


def test_every_command_is_here():
    reading = {
        next(each for each in commands_of(build_app()) if f"{line} ".startswith(f"{each} "))
        for line in COMMANDS.values()
    }
    assert reading | OTHER_COMMANDS == commands_of(build_app())
    assert not reading & OTHER_COMMANDS


def outcome(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, list[str]]:
    """Run the command here; return its exit status and its lines of errors. Any other exception fails the test."""
    monkeypatch.setattr(sys, "argv", ["selfalign", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    (captured.out + captured.err).encode()  # what is printed can be written to a terminal
    return int(ended.value.code or 0), [
        line for line in captured.err.splitlines() if line.startswith("selfalign: error: ")
    ]


@pytest.mark.parametrize("name", COMMANDS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(field=st.sampled_from(FIELDS), value=VALUES)
@example(field="response", value="\ud83c")
@example(field="concepts", value=["\x06\ufffe", "a"])
@example(field="lineage", value=nested(300, lambda each: [each]))
@example(field="concepts", value=nested(300, lambda each: {"a": each}))
@example(field="parsing_result", value=[{"response": RESPONSE}, {"response": 1}])
def test_a_value_is_kept_dropped_or_named(name, field, value, world, base, tmp_path, capsys, monkeypatch):
    rows, out, dropped = (tmp_path / f"{part}.jsonl" for part in ("rows", "out", "dropped"))
    for path in (out, dropped):
        path.unlink(missing_ok=True)
    run = tmp_path / "run"
    line = json.dumps({**GOOD, field: value}) + "\n"
    for path in (rows, *(run / each for each in FILES_OF_RUN if name == "report")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line, encoding="ascii")
    if name == "report":
        write_funnel("run", [], run / "report/funnel.json")
    names = {**world, "rows": rows, "out": out, "dropped": dropped, "run": run, "base": base}
    names["directory"] = tmp_path
    names["matrix"] = tmp_path / "matrix.jsonl"
    write_jsonl(names["matrix"], [MATRIX])
    names["final"] = tmp_path / "final.jsonl"
    untagged = {**GOOD, "response": re.sub(r"\[\w+\]\n", "", RESPONSE), field: value}
    names["final"].write_text(json.dumps(untagged) + "\n", encoding="ascii")
    status, lines = outcome([part.format(**names) for part in COMMANDS[name].split()], capsys, monkeypatch)
    if status:
        assert (status, len(lines)) == (1, 1), lines
        starts = OTHER_ERRORS.get(name, ("{rows}, record 1",))
        assert any(start.format(**names) in lines[0] for start in starts), lines[0]
    elif DROPS in COMMANDS[name]:
        samples = value if field == "parsing_result" and name == "execute" else [value]
        assert len(list(read_jsonl(out))) + len(list(read_jsonl(dropped))) == len(samples)
