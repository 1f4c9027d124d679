"""Messages between the supervisor and the fork loop, each a line of JSON."""

import json
import os

import assertions
from fork_loop import ForkLoop
from judge import verdict_of
from processes import Scratch, kill_descendants

READ_BYTES = 1 << 20
# Programs that are compiled and run together.
MOST_TOGETHER = 64


def messages(descriptor):
    """Yield the supervisor's messages as lists of those that have arrived, until it goes away.

    Args:
        descriptor: file descriptor to read from.
    """
    buffer = bytearray()
    while piece := os.read(descriptor, READ_BYTES):
        searched = len(buffer)  # a message can be a hundred megabytes long: no byte is searched twice
        buffer += piece
        end = buffer.rfind(b"\n", searched)
        if end >= 0:
            lines = bytes(buffer[:end])
            del buffer[: end + 1]
            yield [json.loads(line) for line in lines.split(b"\n")]


def send(descriptor, contents):
    """Send messages to the supervisor.

    Args:
        descriptor: file descriptor to write to.
        contents: what can be JSON.
    """
    data = memoryview(b"".join([json.dumps(content).encode() + b"\n" for content in contents]))
    while data:
        data = data[os.write(descriptor, data) :]


def serve(incoming, outgoing, writable, greeting):
    """Run the programs of the supervisor's messages until it goes away.

    Args:
        incoming: file descriptor to read messages from.
        outgoing: file descriptor to write verdicts to.
        writable: paths of the directories where programs can write.
        greeting: the first message to the supervisor, sent when everything is ready.
    """
    assertions.install()
    scratch = [Scratch(path) for path in writable if os.path.isdir(path)]  # noqa: PTH112 - pathlib is not loaded in a slot
    loop = ForkLoop(scratch, incoming)
    loop.calibrate()
    send(outgoing, [greeting])
    for jobs in messages(incoming):
        for first in range(0, len(jobs), MOST_TOGETHER):
            loop.run(
                jobs[first : first + MOST_TOGETHER],
                lambda runs: send(outgoing, [verdict_of(run) for run in runs]),
            )
    kill_descendants()
