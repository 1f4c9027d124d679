"""One live bar in a terminal, plain lines in a log."""

import logging
import os
import pty
import re
import subprocess
import sys

from selfalign.client import progress as module
from selfalign.client.metrics import Metrics

PROGRAM = """
from selfalign.client.metrics import Metrics
from selfalign.client.progress import progress
with progress("I->R", 3, Metrics(), live={live}) as step:
    for _ in range(3):
        step()
"""


def shown_in_a_terminal(live):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    subprocess.run(
        [sys.executable, "-c", PROGRAM.format(live=live)], stderr=theirs, env=environment, check=True
    )
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())


def test_a_terminal_shows_one_bar_with_rates():
    text = shown_in_a_terminal(live=True)
    last = [line for line in re.split(r"[\r\n]+", text) if line.strip()][-1]
    assert re.search(r"I->R .*3/3 .*tokens/s, 0 in flight, 0 retries", last)


def test_a_job_of_a_workflow_draws_none():
    assert shown_in_a_terminal(live=False) == ""


def test_a_log_has_a_line_now_and_then(monkeypatch, caplog):
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO), module.progress("S->C", 2, Metrics()) as step:
        step()
        step()
    assert [record.message.split(" records")[0] for record in caplog.records] == [
        "S->C: 1 of 2",
        "S->C: 2 of 2",
    ]
    assert all("tokens/s" in record.message and "s left" in record.message for record in caplog.records)
