"""Live display in a terminal: a progress bar of the build, a line per running job, a line per finished job."""

from __future__ import annotations

import datetime
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_selfalign.failure import failure_text
from snakemake_logger_plugin_selfalign.remaining import Remaining, benchmark_root

REFRESH_PER_S = 2
SHOWN_JOBS = 8
TAIL_BYTES = 2048
# Beginnings of Snakemake's messages without an event that are shown.
SHOWN = (
    "Nothing to be done",
    "Complete log",
    "Building DAG",
    "Will exit",
    "Exiting",
    "Unlock",
    "Using workflow",
)


class RunningJob:
    """A running job.

    Args:
        rule: name of the rule.
        title: message of the rule.
        log: path of its first log; None if it has none.
    """

    def __init__(self, rule: str, title: str, log: str | None) -> None:
        self.rule, self.title, self.log = rule, title, log
        self.since = time.monotonic()


class Live:
    """Live display of Snakemake's records.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, force_terminal=True)
        self._display: RichLive | None = None
        self._remaining = Remaining()
        self._jobs: dict[int, RunningJob] = {}
        self._total: Counter[str] = Counter()
        self._done = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Process a record: update the display, or print its message.

        Args:
            record: record of Snakemake's logger.
        """
        event = getattr(record, "event", None)
        fields = vars(record)
        if event == LogEvent.RUN_INFO:
            self._begin(fields["stats"])
        elif event == LogEvent.JOB_INFO:
            self._start(fields)
        elif event == LogEvent.JOB_FINISHED:
            self._end(fields.get("job_id", fields.get("jobid", -1)))
        elif event == LogEvent.JOB_ERROR:
            self._jobs.pop(fields["jobid"], None)
            self._print(f"[red]✗[/] [bold]{fields['rule_name']}[/] failed")
            self._print(escape(failure_text(fields)))
        elif event == LogEvent.PROGRESS:
            self._done = fields["done"]
            if fields["done"] == fields["total"]:
                self.close()
        elif record.levelno >= logging.WARNING:
            self._print(f"[yellow]{escape(record.getMessage())}[/]")
        elif event is None and record.getMessage().startswith(SHOWN):
            self._print(escape(record.getMessage()))

    def close(self) -> None:
        """Stop the display; printed lines stay."""
        if self._display is not None:
            self._display.stop()
            self._display = None

    def __rich__(self) -> Group:
        """Return the current content of the display."""
        total = self._total.total()
        seconds = self._remaining.seconds()
        left = "" if seconds is None else f", about {_duration(seconds)} left (until {_clock(seconds)})"
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=max(1, total), completed=self._done, width=30),
            f"{self._done} of {total} jobs{left}",
        )
        lines = Table.grid(padding=(0, 1))
        for _ in range(4):
            lines.add_column(no_wrap=True, overflow="ellipsis")
        running = list(self._jobs.values())
        for job in running[:SHOWN_JOBS]:
            ended = self._total[job.rule] - self._remaining.pending[job.rule]
            lines.add_row(
                f"[cyan]▸[/] [bold]{job.rule}[/]",
                f"{ended + 1} of {self._total[job.rule]}",
                _duration(time.monotonic() - job.since),
                Text(last_message(job.log) or job.title, style="dim"),
            )
        if len(running) > SHOWN_JOBS:
            lines.add_row(f"  and {len(running) - SHOWN_JOBS} more", "", "", "")
        return Group(head, lines)

    def _begin(self, stats: dict[str, Any]) -> None:
        self._total = Counter({rule: count for rule, count in stats.items() if rule != "total"})
        self._remaining.pending = Counter(self._total)
        if self._display is None:
            self._display = RichLive(
                get_renderable=self.__rich__,
                console=self._console,
                refresh_per_second=REFRESH_PER_S,
                transient=True,
            )
            self._display.start()

    def _start(self, fields: dict[str, Any]) -> None:
        job, rule = fields["jobid"], fields["rule_name"]
        title = fields.get("rule_msg") or rule
        self._jobs[job] = RunningJob(rule, str(title), next(iter(fields.get("log") or []), None))
        self._remaining.start(job, rule)
        benchmark = fields.get("benchmark")
        if self._remaining.earlier is None and benchmark:
            self._remaining.earlier = benchmark_root(
                benchmark if isinstance(benchmark, str) else str(benchmark[0])
            )

    def _end(self, job: int) -> None:
        ended, running = self._remaining.end(job), self._jobs.pop(job, None)
        if ended is None or running is None:
            return
        rule, took = ended
        place = f"{self._total[rule] - self._remaining.pending[rule]} of {self._total[rule]}"
        self._print(
            f"[green]✓[/] [bold]{rule}[/] {place}, {_duration(took)}  [dim]{escape(running.title)}[/]"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


def last_message(log: str | None) -> str:
    """Return the last line of a log without its time, level and logger; empty if there is none.

    Args:
        log: path of the log; None for none.
    """
    if log is None:
        return ""
    try:
        with Path(log).open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - TAIL_BYTES))
            lines = handle.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
    except OSError:
        return ""
    last = next((line for line in reversed(lines) if line.strip()), "")
    return last.rpartition(" INFO    ")[2].partition(": ")[2] or last if " INFO    " in last else last


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    )


def _clock(seconds: float) -> str:
    end = datetime.datetime.now() + datetime.timedelta(seconds=seconds)
    return f"{end:%H:%M}"
