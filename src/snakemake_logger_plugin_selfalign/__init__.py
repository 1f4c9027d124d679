"""Snakemake logger plugin ``selfalign``: running jobs, progress and time remaining in a terminal; plain lines elsewhere.

snakemake-logger-plugin-rich 0.5.1 does not replace it. That plugin shows the elapsed time, not the time remaining;
prints the whole log of a failed job, not its last lines; and, where standard error is not a terminal, writes no line
for a job that starts or finishes. Snakemake's complete log (.snakemake/log) is not affected by this plugin.
"""

from __future__ import annotations

import logging
import os
import sys

from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase

from snakemake_logger_plugin_selfalign.failure import failure_text
from snakemake_logger_plugin_selfalign.live import Live


class Formatter(DefaultFormatter):
    """Snakemake's formatter, except for failed jobs, whose rule and last log lines are shown."""

    def format_job_error(self, msg):
        """Return the text about a failed job.

        Args:
            msg: fields of Snakemake's record.
        """
        return failure_text(msg)


class LogHandler(LogHandlerBase):
    """Live display in a terminal; Snakemake's plain lines elsewhere and in dry runs."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        stream = sys.stdout if settings.stdout else sys.stderr
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        chatty = settings.dryrun or settings.verbose or settings.printshellcmds or settings.debug_dag
        self._plain = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream)
        self._plain.setFormatter(Formatter(settings.quiet))
        self._live = Live(stream) if terminal and not chatty and not settings.quiet else None

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record.

        Args:
            record: record of Snakemake's logger.
        """
        try:
            (self._live or self._plain).emit(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Remove the live display."""
        if self._live is not None:
            self._live.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """True: Snakemake adds no stream handler of its own."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """False: it writes no file."""
        return False

    @property
    def has_filter(self) -> bool:
        """False: Snakemake applies its own filter (--quiet)."""
        return False

    @property
    def has_formatter(self) -> bool:
        """True: the plain lines are formatted by :class:`Formatter`."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """False: it does not use the rule graph."""
        return False
