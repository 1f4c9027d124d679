"""A slot: one sandbox with its zygote, which runs one program after the other."""

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
    """The sandbox ended or stopped answering."""


class Slot:
    """One sandbox. Not for use by several threads at once.

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
        self.processor = processor
        stay = [] if processor is None else [f"import os; os.sched_setaffinity(0, [{processor}])"]
        self._launch = runtime.launch(most, [*stay, *warm])
        self._kills = 0
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
            raise InfrastructureError(f"runtime '{runtime.name}' cannot be started: {error}") from None
        self._buffer = bytearray()
        self.facts = self._answer(time.monotonic() + START_S)
        if self.facts.pop("guest") != guest_files():
            raise self._death("has another version of the sandbox; build its image again")

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
        unsent = iter(_request(program, limits, apart) for program, limits in programs)
        request = next(unsent, None)
        sent: deque[int] = deque()
        for program, limits in programs:
            together = b""
            while request is not None and (not sent or sum(sent) + len(request) <= SENT_AHEAD):
                together += request
                sent.append(len(request))
                request = next(unsent, None)
            self._send(together)
            answer = self._answer(time.monotonic() + limits.wall_s + GRACE_S)
            if answer.get("key") != program.key:
                raise self._death("answered about another program")
            for stream in ("stdout", "stderr"):
                if answer[stream]:
                    answer[stream] = (
                        answer[stream].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                    )
            if answer["error"] == "SIGKILL" and self._was_out_of_memory():
                answer.update(status="memory", error=None)
            sent.popleft()
            yield Verdict(**answer, runtime=self.runtime, image=self.image)

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
            data = self._process.stdout.read1(1 << 20)  # type: ignore[attr-defined]
            if not data:
                raise self._death("ended")
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return json.loads(line)

    def _death(self, how: str) -> SlotDied:
        assert self._process.stderr is not None
        self.kill()
        last = self._process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        self.close()
        return SlotDied(f"the sandbox ({self.runtime}) {how}" + (f": {last[0]}" if last else ""))


@cache
def _fields(limits: Limits) -> dict[str, float]:
    return asdict(limits)


def _request(program: Program, limits: Limits, apart: bool) -> bytes:
    message = {
        "key": program.key,
        "source": program.source,
        "stdin": program.stdin,
        "limits": _fields(limits),
        "apart": apart,
    }
    return json.dumps(message).encode() + b"\n"
