"""Read the records of each benchmark's own format into tasks."""

from __future__ import annotations

import ast
import base64
import binascii
import io
import json
import pickle
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfalign.core.errors import DataError
from selfalign.core.jsonl import read_numbered, require


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        id: identifier, unique in the benchmark.
        prompt: prompt for the model: the beginning of the program, or the question.
        canonical_solution: reference solution, to be appended to `beginning`; empty if none is published.
        beginning: beginning of the program, which a completion continues; empty if a solution stands alone.
        tests: source text of the tests, if they are code.
        entry_point: name of the function under test, if there is one.
        package: Python package that the task is about, if the benchmark names one.
        record: the record as published.
    """

    id: str
    prompt: str
    canonical_solution: str
    beginning: str = ""
    tests: str = ""
    entry_point: str | None = None
    package: str = ""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)


# The line of the tests that builds EvoEval's inputs; EvoEval's own release has the list in a field.
_HUB_INPUTS = re.compile(r'^ *inputs = \[eval\(f"\[\{i\}\]"\) for i in (\[.*\])\]$', re.MULTILINE)

Reader = Callable[[dict[str, Any], "Source"], Task]


@dataclass(frozen=True, slots=True)
class Source:
    """Location of a record, for messages.

    Attributes:
        file: the data file.
        number: number of the record, from 1.
    """

    file: Path
    number: int

    def text(self, record: dict[str, Any], name: str) -> str:
        """Return the string in a field.

        Args:
            record: the record.
            name: name of the field.

        Raises:
            DataError: the field is missing or not a string.
        """
        return require(record, name, str, file=self.file, number=self.number)


def read_tasks(layout: str, path: Path) -> Iterator[Task]:
    """Yield the tasks of a data file.

    Args:
        layout: format of the records, see `Format` in :mod:`~selfalign.benchmarks.definition`.
        path: JSON Lines file.

    Raises:
        DataError: a record is incomplete.
    """
    read = _READERS[layout]
    for number, record in read_numbered(path):
        yield read(record, Source(path, number))


def _humaneval(record: dict[str, Any], at: Source) -> Task:
    prompt = at.text(record, "prompt")
    return Task(
        id=at.text(record, "task_id"),
        prompt=prompt,
        beginning=prompt,
        canonical_solution=at.text(record, "canonical_solution"),
        tests=at.text(record, "test"),
        entry_point=at.text(record, "entry_point"),
        record=record,
    )


def _evalplus(record: dict[str, Any], at: Source) -> Task:
    for name in ("base_input", "plus_input"):
        if record.get(name) == {}:  # how MBPP+ v0.1.0 writes a task without added inputs
            record[name] = []
        require(record, name, list, file=at.file, number=at.number)
    prompt = at.text(record, "prompt")
    return Task(
        id=at.text(record, "task_id"),
        prompt=prompt,
        beginning=prompt,
        canonical_solution=at.text(record, "canonical_solution"),
        tests=record.get("test") or record.get("assertion") or "",
        entry_point=at.text(record, "entry_point"),
        record=record,
    )


def _mbpp(record: dict[str, Any], at: Source) -> Task:
    number = require(record, "task_id", int, file=at.file, number=at.number)
    assertions: list[str] = require(record, "test_list", list, file=at.file, number=at.number)
    code = at.text(record, "code")
    first = assertions[0] if assertions else ""
    called = [name for name in re.findall(r"^def (\w+)", code, re.MULTILINE) if f"{name}(" in first]
    body = "".join(f"    {line}\n" for line in assertions)
    prompt = f'"""\n{at.text(record, "text")}\n{first}\n"""\n'
    return Task(
        id=f"MBPP/{number}",
        prompt=prompt,
        beginning=prompt,
        canonical_solution=code,
        tests=f"{record.get('test_setup_code') or ''}\ndef check(candidate):\n{body}",
        entry_point=called[-1] if called else None,
        record=record,
    )


def _evoeval(record: dict[str, Any], at: Source) -> Task:
    tests = record.get("test") or ""
    if "inputs" not in record and "base_input" not in record:
        # EvoEval's own release has the inputs in a field; the hub's version has them in the tests.
        record["inputs"] = _expressions(tests, at)
    inputs = "base_input" if "base_input" in record else "inputs"
    require(record, inputs, list, file=at.file, number=at.number)
    prompt = at.text(record, "prompt")
    return Task(
        id=at.text(record, "task_id"),
        prompt=prompt,
        beginning=prompt,
        canonical_solution=at.text(record, "canonical_solution"),
        tests=tests,
        entry_point=at.text(record, "entry_point"),
        record=record,
    )


def _expressions(tests: str, at: Source) -> list[str]:
    """Return the input expressions in the tests of EvoEval's version on the hub."""
    found = _HUB_INPUTS.search(tests)
    try:
        inputs = ast.literal_eval(found[1]) if found else None
    except (ValueError, SyntaxError):
        inputs = None
    if not isinstance(inputs, list) or not all(isinstance(each, str) for each in inputs):
        raise DataError(
            "expected a line with the list of inputs", file=at.file, record=at.number, field="test"
        )
    return inputs


def _livecodebench(record: dict[str, Any], at: Source) -> Task:
    cases = [
        *_read_cases(at.text(record, "public_test_cases"), "public_test_cases", at.file, at.number),
        *_read_cases(at.text(record, "private_test_cases"), "private_test_cases", at.file, at.number),
    ]
    try:
        function = json.loads(record.get("metadata") or "{}").get("func_name")
    except (ValueError, AttributeError):
        raise DataError("expected a JSON object", file=at.file, record=at.number, field="metadata") from None
    if function is None and any(case["testtype"] == "functional" for case in cases):
        raise DataError(
            "expected 'func_name', since there are functional test cases",
            file=at.file,
            record=at.number,
            field="metadata",
        )
    return Task(
        id=at.text(record, "question_id"),
        prompt=at.text(record, "question_content"),
        beginning=record.get("starter_code") or "",
        canonical_solution="",
        entry_point=function,
        record={**record, "cases": cases},
    )


class _TextOnly(pickle.Unpickler):
    """Unpickler that loads strings only and refuses imports and calls, because the data are downloaded."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name} in a pickle that should hold a string")


def _read_cases(text: str, field: str, file: Path, number: int) -> list[dict[str, str]]:
    """Return the test cases in a LiveCodeBench field: JSON, or JSON in a pickled string, compressed, in base 64."""
    try:
        cases = json.loads(text)
    except ValueError:
        try:
            packed = zlib.decompress(base64.b64decode(text.encode("ascii"), validate=True))
            cases = json.loads(_TextOnly(io.BytesIO(packed)).load())
        except (binascii.Error, zlib.error, pickle.UnpicklingError, ValueError, TypeError, EOFError) as error:
            raise DataError(
                f"expected JSON or packed JSON ({error})", file=file, record=number, field=field
            ) from None
    if not isinstance(cases, list) or not all(_is_test_case(case) for case in cases):
        raise DataError(
            "expected a list of objects with 'input', 'output' and 'testtype' ('stdin' or 'functional')",
            file=file,
            record=number,
            field=field,
        )
    return cases


def _is_test_case(case: Any) -> bool:
    return (
        isinstance(case, dict)
        and isinstance(case.get("input"), str)
        and isinstance(case.get("output"), str)
        and case.get("testtype") in ("stdin", "functional")
    )


def _livecodebench_tests(record: dict[str, Any], at: Source) -> Task:
    cases = _read_cases(at.text(record, "test"), "test", at.file, at.number)
    try:
        (case,) = cases
        expected = json.loads(case["output"])
    except ValueError:
        raise DataError(
            "expected one test case whose output is JSON", file=at.file, record=at.number, field="test"
        ) from None
    function = at.text(record, "function_name")
    arguments = ", ".join(case["input"].split("\n"))
    number = require(record, "test_id", int, file=at.file, number=at.number)
    return Task(
        id=f"{at.text(record, 'question_id')}:{number}",
        prompt=at.text(record, "question_content"),
        canonical_solution=repr(expected),
        tests=case["output"],
        entry_point=function,
        record={**record, "call": f"{function}({arguments})"},
    )


def _livecodebench_execution(record: dict[str, Any], at: Source) -> Task:
    output = at.text(record, "output")
    return Task(
        id=at.text(record, "id"),
        prompt=at.text(record, "code"),
        canonical_solution=output,
        tests=output,
        entry_point=at.text(record, "function_name"),
        record={**record, "call": at.text(record, "input")},
    )


def _ds1000(record: dict[str, Any], at: Source) -> Task:
    metadata = require(record, "metadata", dict, file=at.file, number=at.number)
    return Task(
        id=f"DS-1000/{metadata.get('problem_id', at.number - 1)}",
        prompt=at.text(record, "prompt"),
        canonical_solution=at.text(record, "reference_code"),
        tests=at.text(record, "code_context"),
        package=str(metadata.get("library") or ""),
        record=record,
    )


def _self_tests(record: dict[str, Any], at: Source) -> Task:
    return Task(
        id=at.text(record, "task_id"),
        prompt=at.text(record, "instruction"),
        canonical_solution=at.text(record, "solution"),
        tests=at.text(record, "tests"),
        record=record,
    )


_READERS: dict[str, Reader] = {
    "humaneval": _humaneval,
    "evalplus": _evalplus,
    "mbpp": _mbpp,
    "evoeval": _evoeval,
    "livecodebench": _livecodebench,
    "livecodebench_tests": _livecodebench_tests,
    "livecodebench_execution": _livecodebench_execution,
    "ds1000": _ds1000,
    "self_tests": _self_tests,
}
