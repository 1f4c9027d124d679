"""Programs, their limits and their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["module", "function"]
STATUSES = (
    "passed",
    "assertion",
    "exception",
    "no_assertion",
    "tests_not_run",
    "syntax",
    "empty",
    "timeout",
    "memory",
    "output",
    "early_exit",
    "forbidden",
    "infrastructure",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    Attributes:
        wall_s: seconds from start to end, everything it started included.
        cpu_s: seconds of CPU time of each of its processes, rounded up to whole ones.
        memory_mb: MiB of address space of a process, and of resident memory of all its processes together.
        processes: processes and threads at a time.
        open_files: file descriptors of a process.
        file_mb: MiB of one file.
        output_kb: KiB of standard output, and as much of standard error.
    """

    wall_s: float = 10.0
    cpu_s: float = 4.0
    memory_mb: int = 1024
    processes: int = 32
    open_files: int = 64
    file_mb: int = 16
    output_kb: int = 256

    def within(self, most: Limits) -> bool:
        """Tell whether a slot has room for a program with these limits.

        Args:
            most: limits of the largest program that the slot was made for.
        """
        return self.memory_mb <= most.memory_mb and self.processes <= most.processes


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Program:
    """A Python program to run as ``__main__``.

    Attributes:
        key: names the program in its verdict.
        source: its text.
        stdin: what it can read from standard input.
        limits: None for the pool's.
        scope: of its top-level names. ``module``: globals, as usual in Python. ``function``: locals of ``exec``, as in the
            reference, so that its own functions do not see them.
        tests_line: number of the line from which on all code is tests; 1 if that is not known. Then a pass also requires
            that an assertion was evaluated, none failed, and all tests ran. None: only the program's end is required.
    """

    key: str
    source: str
    stdin: str = ""
    limits: Limits | None = None
    scope: Scope = "module"
    tests_line: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a program.

    Attributes:
        key: the program's.
        status: one of :data:`STATUSES`. ``passed``: it came to the end of its last line, its threads and exit
            functions ended too, and its tests passed if they are observed (:attr:`Program.tests_line`).
            ``infrastructure`` says nothing about the program.
        error: name of the exception's type; the tests that failed or did not run; the signal or exit status
            (``SIGSEGV``, ``exit 0``) of an early exit; the limit (``wall``, ``cpu``) of a timeout; what failed, for
            infrastructure.
        stdout: what it wrote to standard output, up to the limit.
        stderr: likewise; the traceback is its end.
        wall_s: seconds from start to end.
        cpu_s: seconds of CPU time, of the program and the children it waited for.
        peak_memory_mb: MiB, largest resident set seen.
        runtime: name of the runtime.
        image: what the program saw as its system: digest of the image, or of the interpreter and its packages.
        exit_code: of an ordinary end, early or not; None where it was ended or never began.
    """

    key: str
    status: str
    error: str | None
    stdout: str
    stderr: str
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    runtime: str
    image: str
    exit_code: int | None = None
