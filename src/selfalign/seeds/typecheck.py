"""Type check by basedpyright, in batches that are split if they fail, so that no file affects others."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from selfalign.core.errors import InfrastructureError
from selfalign.core.filtering import Drop, Keep, Outcome
from selfalign.core.jsonl import Record
from selfalign.core.process import clean_environment

log = logging.getLogger(__name__)

PROBE = "answer: int = 42\n"


@dataclass(frozen=True)
class TypeChecker:
    """Runs basedpyright.

    Attributes:
        strictness: its ``typeCheckingMode``.
        batch: files per run.
        timeout_s: time limit of a run, in seconds.
        command: command line that starts it.
    """

    strictness: str = "standard"
    batch: int = 500
    timeout_s: float = 120.0
    command: Sequence[str] = field(default=(sys.executable, "-P", "-m", "basedpyright"))

    def check(self, texts: Sequence[str]) -> list[list[str] | Drop]:
        """Return the type errors of each text, or a drop if the checker fails on it.

        A run that fails or exceeds the time limit is split in halves, down to single texts.

        Args:
            texts: sources to check.

        Raises:
            InfrastructureError: the checker cannot be run.
        """
        found = self._run(texts)
        if not isinstance(found, str):
            return list(found)
        if len(texts) > 1:
            log.info("a run over %d files failed (%s); it is split", len(texts), found)
            middle = len(texts) // 2
            return self.check(texts[:middle]) + self.check(texts[middle:])
        if isinstance(problem := self._run([PROBE]), str):
            raise InfrastructureError(f"basedpyright does not run: {problem}")
        return [Drop("type_check_failed", found)]

    def _run(self, texts: Sequence[str]) -> list[list[str]] | str:
        """Return the errors of each text, or the reason why the run failed."""
        with tempfile.TemporaryDirectory(prefix="selfalign-types-") as name:
            directory = Path(name)
            for number, text in enumerate(texts):
                path = directory / f"f{number:06d}.py"
                path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
            # All that it reads is in this directory: its configuration and the files, and no home of the user's.
            settings = {
                "typeCheckingMode": self.strictness,
                "pythonVersion": "3.11",
                "pythonPlatform": "Linux",
            }
            (directory / "pyrightconfig.json").write_text(json.dumps(settings))
            output = self._output(directory)
        if isinstance(output, str):
            return output
        errors: list[list[str]] = [[] for _ in texts]
        for each in output["generalDiagnostics"]:
            if each["severity"] == "error":
                rule = each.get("rule", "syntax")
                errors[int(Path(each["file"]).stem[1:])].append(f"{rule}: {each['message'].splitlines()[0]}")
        return errors

    def _output(self, directory: Path) -> dict[str, Any] | str:
        process = subprocess.Popen(
            [
                *self.command,
                *("--outputjson", "--level", "error", "--project", str(directory)),
                # Without it, it asks the first `python` on PATH which packages are installed.
                *("--pythonpath", sys.executable),
            ],
            cwd=directory,
            env=clean_environment(home=directory),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, problem = process.communicate(timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            return f"longer than {self.timeout_s} s"
        finally:
            _end(process)
        if process.returncode not in (0, 1):
            return f"exit status {process.returncode}: {problem.strip()[-300:]}"
        try:
            return json.loads(out)
        except ValueError:
            return f"no JSON: {out.strip()[:300]}"


def check_types(
    records: Iterable[Record], checker: TypeChecker, *, workers: int = 1
) -> Iterator[tuple[Record, Outcome]]:
    """Yield each record with its outcome, in input order; the detail of ``type_error`` are the first three messages.

    Args:
        records: seeds.
        checker: the type checker.
        workers: runs of the checker at a time.

    Raises:
        InfrastructureError: the checker cannot be run.
    """
    pending = iter(records)
    waiting: deque[tuple[list[Record], Future[list[list[str] | Drop]]]] = deque()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        while True:
            while len(waiting) < workers + 1 and (part := list(islice(pending, checker.batch))):
                waiting.append((part, pool.submit(checker.check, [record["seed"] for record in part])))
            if not waiting:
                return
            part, future = waiting.popleft()
            for record, errors in zip(part, future.result(), strict=True):
                if isinstance(errors, Drop):
                    yield record, errors
                else:
                    yield record, Drop("type_error", errors[:3]) if errors else Keep(record)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the checker and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
