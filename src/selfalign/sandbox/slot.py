"""A slot: a sandbox with its zygote, which runs one program after the other, and is replaced when a program marks it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from selfalign.core.errors import InfrastructureError
from selfalign.sandbox.cgroups import out_of_memory_kills, remove_groups
from selfalign.sandbox.launch import Runtime, guest_files
from selfalign.sandbox.types import DEFAULT_LIMITS, Limits, Program, Verdict

START_S = 60.0
# The zygote keeps a program's deadline. If it fails to, the slot is ended this much later.
GRACE_S = 20.0
# Bytes that are sent ahead of the answers: less than a pipe holds, so that both sides never wait to write.
SENT_AHEAD = 1 << 15


class SlotDied(InfrastructureError):
    """The sandbox ended or stopped answering.

    Args:
        message: what happened.
        out_of_memory: whether the kernel ended a process of the sandbox because its memory was exhausted.
    """

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class Slot:
    """One sandbox at a time. Not for use by several threads at once.

    A program can leave traces that cannot be removed, such as ports in TIME_WAIT or more files than can be deleted
    quickly. The zygote then ends after the program's verdict, and the slot starts a new sandbox.

    Args:
        runtime: what isolates it.
        most: limits of the largest program that it is to run.
        warm: pieces of Python run before the first program, besides the usual imports.
        processor: number of the only one that the sandbox is to use; None: any. A program and the zygote that waits for
            it then share a processor's caches.

    Attributes:
        facts: privileges and versions that the zygote reports.
        processor: as given.

    Raises:
        InfrastructureError: the sandbox cannot be started.
    """

    def __init__(
        self,
        runtime: Runtime,
        most: Limits = DEFAULT_LIMITS,
        warm: Sequence[str] = (),
        processor: int | None = None,
    ) -> None:
        self.runtime = runtime.name
        self.image = runtime.image()
        self.environment = runtime.environment.identity
        self.processor = processor
        stay = [] if processor is None else [f"import os; os.sched_setaffinity(0, [{processor}])"]
        self._runtime = runtime
        self._most = most
        self._warm = [*stay, *warm]
        self._open()

    def _open(self) -> None:
        """Start the sandbox.

        Raises:
            InfrastructureError: it cannot be started.
        """
        self._launch = self._runtime.launch(self._most, self._warm)
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._launch.command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=dict(self._launch.environment),
                start_new_session=True,
            )
        except OSError as error:
            remove_groups(self._launch.groups)
            raise InfrastructureError(f"runtime '{self.runtime}' cannot be started: {error}") from None
        self._kills = 0
        self._buffer = bytearray()
        self.facts = self._answer(time.monotonic() + START_S)
        if self.facts.pop("guest") != guest_files():
            raise self._death("has another version of the sandbox; build its image again")
        environment = self._runtime.environment
        if environment.packages and not self.facts["python"].startswith(f"{environment.interpreter.minor}."):
            raise self._death(
                f"has Python {self.facts['python']}, but the environment '{environment.name}' has packages for "
                f"{environment.interpreter.minor}; use an image with that version, or the environment 'build' (the "
                "packages of the image)"
            )

    def run(self, program: Program, limits: Limits) -> Verdict:
        """Run one program and return its verdict; see :meth:`run_many`.

        Args:
            program: to run.
            limits: its limits.
        """
        (verdict,) = self.run_many([(program, limits)])
        return verdict

    def run_many(
        self, programs: Sequence[tuple[Program, Limits]], *, apart: bool = False
    ) -> Iterator[Verdict]:
        """Run programs one after the other; yield their verdicts, some of them together.

        Args:
            programs: each with its limits.
            apart: compile each in its own process, in case that compiling it is what ended the sandbox.

        Raises:
            SlotDied: the sandbox ended or did not answer; this program and those after it have no verdict.
        """
        requests = [_request(program, limits, apart) for program, limits in programs]
        unsent = 0
        sent: deque[int] = deque()
        for number, (program, limits) in enumerate(programs):
            together = b""
            while unsent < len(requests) and (not sent or sum(sent) + len(requests[unsent]) <= SENT_AHEAD):
                together += requests[unsent]
                sent.append(len(requests[unsent]))
                unsent += 1
            self._send(together)
            answer = self._answer(time.monotonic() + limits.wall_s + GRACE_S)
            if answer.pop("key", None) != program.key:
                raise self._death("answered about another program")
            is_last = answer.pop("last", False)
            for stream in ("stdout", "stderr"):
                if answer.get(stream):
                    answer[stream] = (
                        answer[stream].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    )
            if answer.get("error") == "SIGKILL" and self._was_out_of_memory():
                answer.update(status="memory", error=None)
            sent.popleft()
            if is_last:
                self.close()
                self._open()
                sent.clear()
                unsent = number + 1
            yield Verdict(program.key, **answer, runtime=self.runtime, image=self.image)

    def close(self) -> None:
        """End the sandbox and everything in it."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                # What was written for a sandbox that is gone cannot be flushed.
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        for command in self._launch.ends:
            subprocess.run(command, capture_output=True, check=False)
        remove_groups(self._launch.groups)
        if self._launch.directory is not None:
            shutil.rmtree(self._launch.directory, ignore_errors=True)

    def kill(self) -> None:
        """Kill what was started and its children: as root the zygote is another user, whom bubblewrap cannot end."""
        for children in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGKILL)
        self._process.kill()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            raise self._death("ended") from None

    def _was_out_of_memory(self) -> bool:
        """Tell whether the kernel has killed in the slot's groups since this was last asked."""
        before, self._kills = self._kills, out_of_memory_kills(self._launch.groups)
        return self._kills > before

    def _answer(self, deadline: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        searched = 0  # an answer can be a hundred megabytes long: no byte is searched or copied twice
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise self._death("did not answer in time")
            data = self._process.stdout.read1(1 << 20)  # pyright: ignore[reportAttributeAccessIssue] - a BufferedReader
            if not data:
                raise self._death("ended")
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._death("sent a message that is not a JSON object")
        return answer

    def _death(self, how: str) -> SlotDied:
        assert self._process.stderr is not None
        self.kill()
        last = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        out_of_memory = self._was_out_of_memory()
        self.close()
        message = f"the sandbox ({self.runtime}) {how}" + (f": {last[0]}" if last else "")
        return SlotDied(message, out_of_memory=out_of_memory)


@cache
def _fields(limits: Limits) -> dict[str, float]:
    return asdict(limits)


def _request(program: Program, limits: Limits, apart: bool) -> bytes:
    message = {
        "key": program.key,
        "source": program.source,
        "stdin": program.stdin,
        "limits": _fields(limits),
        "scope": program.scope,
        "tests_line": program.tests_line,
        "apart": apart,
    }
    return json.dumps(message).encode() + b"\n"
