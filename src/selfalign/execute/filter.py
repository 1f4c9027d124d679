"""Run responses in the sandbox: write the passing rows, the dropped rows with their reasons, and all verdicts."""

from __future__ import annotations

import contextlib
import logging
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

from selfalign.core.errors import ConfigError, DataError, InfrastructureError
from selfalign.core.filtering import Drop, Keep, StepCounts, StepWriter
from selfalign.core.hashing import text_sha256
from selfalign.core.jsonl import Record, read_numbered, require
from selfalign.core.lineage import with_lineage
from selfalign.execute.program import reference_program, response_program
from selfalign.program_environments import ProgramEnvironment
from selfalign.sandbox import DEFAULT_LIMITS, Limits, Program, Verdict, open_pool
from selfalign.sandbox.cache import VerdictCache
from selfalign.sandbox.types import Scope

logger = logging.getLogger(__name__)

File = str | Path

# A verdict row keeps the last characters of standard error.
MAX_STDERR_CHARACTERS = 2000
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,16}\b")


def execute_file(
    source: File,
    out: File,
    *,
    verdicts: File | None = None,
    dropped: File | None = None,
    runtime: str = "auto",
    image: str = "",
    environment: ProgramEnvironment | None = None,
    cache: File | None = None,
    workers: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    faithful: bool = False,
    scope: str = "function",
) -> StepCounts:
    """Run every response of `source` with its own tests; write the passing ones, one row each, in input order.

    Args:
        source: JSON Lines file of records with ``response``, or with ``parsing_result`` (several responses).
        out: JSON Lines file of the passing rows.
        verdicts: JSON Lines file of the verdict of every response; None writes none.
        dropped: JSON Lines file of the rows that did not pass, with their reasons; None writes none.
        runtime: sandbox runtime; see :func:`selfalign.sandbox.open_pool`.
        image: container image, for container engines; see :func:`selfalign.sandbox.open_pool`.
        environment: what programs can import; None: ``build``.
        cache: file of known verdicts, which is added to (:mod:`selfalign.sandbox.cache`); None keeps none.
        workers: programs that run at a time; None for the number of cores.
        limits: resource limits of each program.
        faithful: as the reference, leave out blocks that do not parse and accept exit status 0 as a pass, whatever the
            tests did.
        scope: scope of the program's top-level names; see :class:`selfalign.sandbox.Program`.

    Raises:
        ConfigError: `scope` is unknown.
        DataError: a record lacks its responses, or has them in another form.
        InfrastructureError: the sandbox failed for a program even after a retry; nothing is written.
    """
    if scope not in get_args(Scope):
        raise ConfigError(f"scope '{scope}': expected one of {', '.join(get_args(Scope))}")
    rows: deque[tuple[str, Record, Program | None]] = deque()

    def programs() -> Iterator[Program]:
        for key, row in read_responses(source):
            program = program_to_run(key, row["response"], faithful, cast(Scope, scope))
            rows.append((key, row, program))
            if program is not None:
                yield program

    with (
        StepWriter("execute", out=out, dropped=dropped, verdicts=verdicts) as writer,
        open_pool(runtime, workers=workers, limits=limits, image=image, environment=environment) as pool,
        VerdictCache(cache) if cache else contextlib.nullcontext() as known,
    ):

        def finish(key: str, row: Record, program: Program | None, verdict: Verdict | None) -> None:
            verdict_row = _verdict_row(key, program, verdict)
            facts = {name: verdict_row.get(name) for name in ("status", "program_sha256", "runtime", "image")}
            row = with_lineage(row, "execution", **facts)
            if verdict is None:
                outcome = Drop("no_program")
            else:
                outcome = Keep(row) if is_pass(verdict, faithful) else Drop(verdict.status, verdict.error)
            writer.put(row, outcome, verdict=verdict_row)

        for verdict in known.run(pool, programs(), limits) if known else pool.run(programs()):
            if verdict.status == "infrastructure":
                raise InfrastructureError(
                    f"{source}, {verdict.key}: the sandbox failed twice: {verdict.stderr}"
                )
            while rows[0][0] != verdict.key:
                finish(*rows.popleft(), None)
            finish(*rows.popleft(), verdict)
        while rows:
            finish(*rows.popleft(), None)
    counts = writer.counts
    logger.info("execute: %d responses, %d passed", counts.records_in, counts.records_out)
    return counts


def read_responses(source: File) -> Iterator[tuple[str, Record]]:
    """Yield each response of each record as a row of its own, with a unique key, in input order.

    Identical responses of one record are grouped at the position of the first, as in the reference's output (in which
    nothing else distinguishes them).

    Args:
        source: JSON Lines file of records with ``response``, or with ``parsing_result`` (several responses).

    Raises:
        DataError: a record has neither field, or one of another form.
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


def program_to_run(key: str, response: str, faithful: bool, scope: Scope) -> Program | None:
    """Return the program of a response; None if the response has no Python block.

    Args:
        key: of the program.
        response: text of the response.
        faithful: the reference's program, whose tests are not observed.
        scope: see :class:`selfalign.sandbox.Program`.
    """
    if faithful:
        source = reference_program(response)
        return None if source is None else Program(key, source, scope=scope)
    program = response_program(response)
    return program and Program(key, program.source, scope=scope, tests_line=program.tests_line)


def is_pass(verdict: Verdict, faithful: bool) -> bool:
    """Return whether a verdict keeps its response.

    Args:
        verdict: verdict of the sandbox.
        faithful: require exit status 0, as the reference does, instead of the verdict ``passed``.
    """
    return verdict.exit_code == 0 if faithful else verdict.status == "passed"


def mask_addresses(stderr: str) -> str:
    """Replace the addresses of objects, which differ from run to run.

    Args:
        stderr: what a program wrote to standard error.
    """
    return ADDRESS.sub("0x...", stderr)


def _verdict_row(key: str, program: Program | None, verdict: Verdict | None) -> dict[str, Any]:
    """Return the row stored for a verdict, without time and memory, which differ from run to run."""
    if program is None or verdict is None:
        return {"key": key, "status": "no_program", "error": None, "program_sha256": None}
    unstable = verdict.status in {"timeout", "memory"}
    return {
        "key": key,
        "status": verdict.status,
        "error": verdict.error,
        "program_sha256": text_sha256(program.source),
        "stderr": "" if unstable else mask_addresses(verdict.stderr)[-MAX_STDERR_CHARACTERS:],
        "runtime": verdict.runtime,
        "image": verdict.image,
    }
