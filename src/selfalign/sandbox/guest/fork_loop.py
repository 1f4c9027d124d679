"""The fork loop: one forked process per program, followed from its start to the verdict's facts.

A fork shares the memory of both processes page by page; the first write to a page by either of them interrupts it
and copies the page, which costs some microseconds. In Python even reading writes (reference counts), so the cost of a
program is mostly the number of pages that are touched between its fork and its end. That is why the steps that every
program takes are few functions with local variables, why all programs of a batch are compiled and prepared before the
first fork, and why verdicts are computed after the last.
"""

import contextlib
import functools
import math
import os
import select
import signal
from os import close, kill, pidfd_open, pipe, set_blocking
from time import monotonic

from completion import LOOKS, Completion
from kernel import (
    PR_SET_CHILD_SUBREAPER,
    RLIMIT_AS,
    fork,
    ignore_interrupts,
    limits_to_set,
    prctl,
    wait_for,
    wait_for_any,
    write_rules,
)
from processes import (
    MOST_FILES,
    Network,
    address_space,
    cpu_seconds,
    kill_descendants,
    memory_kb,
    own_mode,
    proportional_kb,
    resident_kb_of,
    shield_from,
)
from program import (
    ANNOUNCEMENT,
    attend,
    become_program,
    compiled_ahead,
    execute,
    lines_of,
    main_module,
    name_spaces,
    needs_file,
    set_lines,
)
from run import CONTROL, ERR, OUT, Run, drain, input_file, take, watch_again

# Name of the program's file, in the working directory.
NAME = "program.py"
# The one file in /dev that a program may own, where the slot has only one user.
TERMINALS = "/dev/pts/ptmx"
# The zygote never has more file descriptors than this.
DESCRIPTORS = 256
# Characters of output that wait for the end of a batch.
MOST_WAITING = 1 << 15
# Room for the compiler: a few lines of Python can become gigabytes of code.
COMPILER_BYTES = 64 << 20

# Most programs have ended before they are checked for the first time; then they are checked at these intervals.
FIRST_CHECK_S = 0.02
CHECK_S = 0.05
SOONEST_CHECK_S = 0.002
ANNOUNCED_CHECK_S = 0.002
# A stream from which fewer bytes were read is not watched for this long, so that a program that writes line by line
# does not wake the loop for each. It can fill its pipe meanwhile.
FEW_BYTES, UNWATCHED_S = 1 << 15, 0.001

CALIBRATION = (
    "",
    "import _thread, time\n_thread.start_new_thread(time.sleep, (30,))\n",
    "import threading\nt = threading.Thread(target=int)\nt.start()\nt.join()\n",
)
CALIBRATION_LIMITS = {
    "wall_s": 20.0,
    "cpu_s": 10.0,
    "memory_mb": 1024,
    "processes": 32,
    "open_files": 64,
    "file_mb": 1,
    "output_kb": 64,
}


class ForkLoop:
    """Runs programs one after the other.

    Args:
        scratch: the directories where a program can write (`processes.Scratch`).
        supervisor: file descriptor of the supervisor's messages, watched for its end only.
    """

    def __init__(self, scratch, supervisor):
        self.scratch = scratch
        self.supervisor = supervisor
        self.completion = Completion()
        self.interrupt = ignore_interrupts()
        self.path = f"{scratch[0].path}/{NAME}"
        self.inherited_kb = 0
        room = address_space(os.getpid()) + COMPILER_BYTES
        self.compiling = limits_to_set([(RLIMIT_AS, room, None)]), limits_to_set([(RLIMIT_AS, None, None)])
        self.is_first = os.getpid() == 1
        self.terminals = own_mode(TERMINALS)
        # The first process of a sandbox has a network of its own; without one the sockets are anybody's.
        self.network = Network() if self.is_first else None
        self.rules = write_rules(["/dev", *(one.path for one in scratch)]) if self.is_first else -1
        if not self.is_first:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.finished = []
        self.waiting = 0
        self.send = lambda _: None  # set by `run`

    def run(self, jobs, send):
        """Run programs.

        Args:
            jobs: the supervisor's messages.
            send: called with lists of `Run` in order: at the end, and earlier if one takes long, prints much or may
                have been killed for want of memory, which the supervisor finds out at once.
        """
        self.send = send
        ahead = compiled_ahead(jobs, *self.compiling)
        lines = [lines_of(job["source"]) for job in jobs]
        main = main_module(self.path)  # one for all: each process has its own copy
        programs = [
            functools.partial(execute, compiled, job, name_spaces(main, job["scope"]), 3)
            for compiled, job in zip(ahead, jobs, strict=True)
        ]
        runs = [Run(job, input_file(job["stdin"])) for job in jobs]
        with_file = [needs_file(job["source"]) for job in jobs]
        for run, program, text, has_file in zip(runs, programs, lines, with_file, strict=True):
            if has_file:
                self.write_file(run.job["source"])
            if self.begin(run):
                set_lines(text, self.path)
                attend(program)
            self.follow(run)
            self.finish(run)
        self.flush()

    def write_file(self, source):
        """Write a program where its ``__file__`` says; it is removed with what the program leaves."""
        with open(self.path, "w", encoding="utf-8", errors="surrogatepass") as handle:  # noqa: PTH123
            handle.write(source)

    def begin(self, run):
        """Fork; return True in the program's process.

        Args:
            run: the program; its process, pipes and start are set.
        """
        out, out_w = pipe()
        err, err_w = pipe()
        control, control_w = pipe()
        run.started = monotonic()
        run.pid = fork()
        if run.pid == 0:
            files = run.stdin, out_w, err_w, control_w
            become_program(files, DESCRIPTORS, run.bounds.rlimits, self.interrupt, self.rules)
            return True
        if run.pid < 0:
            raise OSError("fork failed")
        close(out_w)
        close(err_w)
        close(control_w)
        # A program can read from its own pipes too, so that nothing is there when we read.
        set_blocking(out, False)
        set_blocking(err, False)
        set_blocking(control, False)
        run.pipes = out, err, control
        run.handle = pidfd_open(run.pid)
        return False

    def follow(self, run):
        """Wait until it is known how a program ended (`Run.end`).

        Args:
            run: the program, begun.
        """
        pipes, bounds, data = run.pipes, run.bounds, run.data
        ends = {run.handle: "gone", self.supervisor: "abandoned"}
        deadline = run.started + bounds.wall_s
        check = run.started + FIRST_CHECK_S
        poll = select.poll()
        for descriptor in pipes:
            poll.register(descriptor, select.POLLIN)
        poll.register(run.handle, select.POLLIN)
        poll.register(self.supervisor, 0)
        unwatched, watch = [], math.inf
        end = None
        while end is None:
            now = monotonic()
            if now >= deadline:
                end = "wall"
                break
            if now >= watch:
                watch_again(unwatched, poll)
                watch = math.inf
            if now >= check:
                end, pause = self.check(run)
                check = monotonic() + pause
                continue
            for descriptor, _ in poll.poll((min(deadline, check, watch) - now) * 1000):
                if descriptor in ends:
                    end = ends[descriptor]
                    continue
                stream = pipes.index(descriptor)
                length = len(data[stream])
                if not take(run, stream):
                    poll.unregister(descriptor)
                elif stream != CONTROL and len(data[stream]) - length < FEW_BYTES:
                    poll.modify(descriptor, 0)
                    unwatched.append(descriptor)
                    watch = monotonic() + UNWATCHED_S
                # A program that fails says how instead, and its process ends.
                if stream == CONTROL and data[CONTROL].endswith(ANNOUNCEMENT):
                    check = 0.0
                    end = "proved" if self.completion.is_reached(run.pid, LOOKS) else end
                elif len(data[stream]) > bounds.output:
                    end = "output"
        watch_again(unwatched, poll)
        drain(run, poll)
        if end in ("proved", "gone") and max(len(data[OUT]), len(data[ERR])) > bounds.output:
            end = "output"
        run.end = end

    def check(self, run):
        """Check the memory and time of all processes, and whether the end went unannounced.

        Args:
            run: the program.

        Returns:
            how the program ended, or None; and seconds until the next check.
        """
        if not run.slow:
            run.slow = True
            self.flush()
            shield_from(run.pid)
        bounds = run.bounds
        left = bounds.cpu_s - cpu_seconds(run.pid)
        if left <= 0:
            return "cpu", 0.0
        pause = ANNOUNCED_CHECK_S if run.data[CONTROL] else max(min(CHECK_S, left), SOONEST_CHECK_S)
        files, shared_kb = map(sum, zip(*(directory.usage() for directory in self.scratch), strict=True))
        if self.network is not None:
            shared_kb += self.network.waiting_kb()
        total = memory_kb(run.pid, self.inherited_kb) + shared_kb
        if total > bounds.memory_kb:
            total = proportional_kb(run.pid) + shared_kb
        run.peak_kb = max(run.peak_kb, total)
        if total > bounds.memory_kb:
            return "memory", 0.0
        if files > MOST_FILES:
            return "files", 0.0
        return ("proved" if self.completion.is_reached(run.pid) else None), pause

    def finish(self, run):
        """End the program's processes and remove its files.

        Args:
            run: the program, followed to its end.
        """
        for descriptor in run.pipes:
            close(descriptor)
        close(run.stdin)  # now: it is open here too, with the program's locks
        close(run.handle)
        kill(run.pid, signal.SIGKILL)  # waited for below, so it is still there
        run.status, run.cpu_s, peak_kb = wait_for(run.pid)
        run.peak_kb = max(run.peak_kb, peak_kb)
        self.reap()
        run.wall_s = monotonic() - run.started
        if run.end == "abandoned":
            os._exit(0)
        run.leaves_traces = not self.tidy()
        self.finished.append(run)
        self.waiting += len(run.data[OUT]) + len(run.data[ERR])
        may_be_memory = run.end == "gone" and os.WIFSIGNALED(run.status)
        if may_be_memory or self.waiting > MOST_WAITING:
            self.flush()
        if run.leaves_traces:
            self.flush()
            os._exit(0)

    def tidy(self):
        """Remove what a program has left; return whether nothing remains that a later program could see."""
        try:
            for directory in self.scratch:
                directory.empty()
        except OSError:
            return False
        has_sockets = self.network is not None and self.network.has_traces()
        return not has_sockets and (not self.terminals or own_mode(TERMINALS) == self.terminals)

    def reap(self):
        """Kill and collect everything that a program has left, until the kernel says that there are no children."""
        while (collected := wait_for_any(os.WNOHANG)) >= 0:
            if collected:
                continue
            if self.is_first:
                with contextlib.suppress(ProcessLookupError):
                    kill(-1, signal.SIGKILL)
            else:
                kill_descendants()
            wait_for_any(0)

    def flush(self):
        """Send what is known of the programs that have ended."""
        if self.finished:
            finished, self.finished, self.waiting = self.finished, [], 0
            self.send(finished)

    def calibrate(self):
        """Learn from harmless programs how a program that has come to its end looks, and check it with them.

        Raises:
            RuntimeError: the kernel does not show where a process waits, or its stack, or a program takes too long.
        """
        job = {
            "stdin": "",
            "apart": False,
            "limits": CALIBRATION_LIMITS,
            "scope": "module",
            "tests_line": None,
        }
        for check in (False, True):
            seen = []
            for source in CALIBRATION:
                self.run([{**job, "source": source}], seen.extend)
            if others := sorted({run.end for run in seen} - {"proved"}):
                file = "mem" if check else "syscall"
                raise RuntimeError(
                    f"cannot see harmless programs end (seen instead: {', '.join(others)}); expected that the kernel lets a "
                    f"parent read /proc/<pid>/{file}; if this machine is overloaded, try again"
                )
            if not check:
                self.completion.finish_learning()
        self.inherited_kb = resident_kb_of(os.getpid())
