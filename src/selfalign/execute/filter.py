"""Responses through the sandbox: passing rows, the others with their reasons, all verdicts."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record, dumps, open_writer, read_numbered, require
from selfalign.core.lineage import with_lineage
from selfalign.core.outcomes import Drop, StepCounts, dropped_row
from selfalign.execute.program import extract_program, in_scope
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, Verdict, open_pool
from selfalign.sandbox.cache import VerdictCache

logger = logging.getLogger(__name__)

SCOPES = ("function", "module")

File = str | Path

# Characters of standard error that a verdict keeps: its end.
STDERR = 2000
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,16}\b")


def execute_file(
    source: File,
    out: File,
    *,
    verdicts: File | None = None,
    dropped: File | None = None,
    runtime: str = "auto",
    image: str = "",
    cache: File | None = None,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    faithful: bool = False,
    scope: str = "function",
) -> StepCounts:
    """Run every response of `source` with its own tests; write the passing ones, one row each, in input order.

    Args:
        verdicts: JSON Lines of the verdict of every response.
        dropped: JSON Lines of the rows that did not pass, with their reasons.
        cache: file of verdicts already known, added to; see :mod:`selfalign.sandbox.cache`.
        image: of a container engine; see :func:`selfalign.sandbox.open_pool`.
        faithful: exit status 0 is a pass, as in the reference.
        scope: see :func:`selfalign.execute.program.in_scope`.

    Raises:
        DataError: a row is not what is expected.
        InfrastructureError: the sandbox failed for a program even after a retry; nothing is written.
    """
    if scope not in SCOPES:
        raise ConfigError(f"scope '{scope}': expected one of {', '.join(SCOPES)}")
    counts = StepCounts("execute")
    rows: deque[tuple[str, Record, str | None]] = deque()

    def programs() -> Iterator[Program]:
        for key, row in read_responses(source):
            program = extract_program(row["response"])
            rows.append((key, row, program))
            if program is not None:
                yield Program(key, in_scope(program, scope))

    with (
        contextlib.ExitStack() as files,
        open_pool(runtime, workers=workers, limits=limits, image=image) as pool,
    ):
        kept_file = files.enter_context(open_writer(out))
        verdict_file = files.enter_context(open_writer(verdicts)) if verdicts else None
        dropped_file = files.enter_context(open_writer(dropped)) if dropped else None

        def finish(key: str, row: Record, program: str | None, verdict: Verdict | None) -> None:
            counts.records_in += 1
            entry = _entry(key, program, verdict)
            facts = {name: entry.get(name) for name in ("status", "program_sha256", "runtime", "image")}
            row = with_lineage(row, "execution", **facts)
            if verdict_file is not None:
                verdict_file.write(dumps(entry) + "\n")
            if verdict is not None and is_pass(verdict, faithful):
                counts.records_out += 1
                kept_file.write(dumps(row) + "\n")
                return
            drop = Drop(verdict.status if verdict else "no_program", verdict.error if verdict else None)
            counts.dropped[drop.reason] += 1
            if dropped_file is not None:
                dropped_file.write(dumps(dropped_row(row, drop)) + "\n")

        known = files.enter_context(VerdictCache(cache)) if cache else None
        verdicts_of = known.run(pool, programs(), limits) if known else pool.run(programs())
        for verdict in verdicts_of:
            if verdict.status == "infrastructure":
                raise InfrastructureError(
                    f"{source}, {verdict.key}: the sandbox failed twice: {verdict.stderr}"
                )
            while rows[0][0] != verdict.key:
                finish(*rows.popleft(), None)
            finish(*rows.popleft(), verdict)
        while rows:
            finish(*rows.popleft(), None)
    logger.info("execute: %d responses, %d passed", counts.records_in, counts.records_out)
    return counts


def read_responses(source: File) -> Iterator[tuple[str, Record]]:
    """Yield every response of every record as a row of its own, with a key that names it, in input order.

    Responses of one record that are the same text stand together, at the place of the first: so do they in
    the reference's output brought into input order, which tells them apart by nothing else.

    Raises:
        DataError: a record has neither ``response`` nor ``parsing_result``, or one of another form.
    """
    for number, record in read_numbered(source):
        if "parsing_result" not in record:
            require(record, "response", str, file=source, number=number)
            yield f"record {number}", record
            continue
        base = {key: value for key, value in record.items() if key != "parsing_result"}
        samples = require(record, "parsing_result", list, file=source, number=number)
        for sample in samples:
            if not isinstance(sample, dict) or not isinstance(sample.get("response"), str):
                raise DataError(
                    'expected a list of {"response": a string}',
                    file=source,
                    record=number,
                    field="parsing_result",
                )
        texts = [sample["response"] for sample in samples]
        for sample_number in sorted(range(len(texts)), key=lambda each: (texts.index(texts[each]), each)):
            row = with_lineage({**base, "response": texts[sample_number]}, "sample", number=sample_number)
            yield f"record {number}, sample {sample_number}", row


def is_pass(verdict: Verdict, faithful: bool) -> bool:
    """Tell whether the verdict keeps a response: it ran to its end (faithful: it ended with status 0)."""
    return verdict.exit_code == 0 if faithful else verdict.status == "passed"


def same_every_run(stderr: str) -> str:
    """Return what a program wrote without the addresses of its objects, which differ from run to run."""
    return ADDRESS.sub("0x...", stderr)


def _entry(key: str, program: str | None, verdict: Verdict | None) -> dict[str, Any]:
    """Return the row kept for a verdict, without what differs from run to run (times, memory)."""
    if program is None or verdict is None:
        return {"key": key, "status": "no_program", "error": None, "program_sha256": None}
    return {
        "key": key,
        "status": verdict.status,
        "error": verdict.error,
        "program_sha256": text_sha256(program),
        "stderr": same_every_run(verdict.stderr)[-STDERR:]
        if verdict.status not in {"timeout", "memory"}
        else "",
        "runtime": verdict.runtime,
        "image": verdict.image,
    }
