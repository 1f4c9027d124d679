"""Compute the outputs and CPU times of a reference solution, for the ground truth. Runs in a sandbox that runs no answers."""

import contextlib
import io
import json
import sys
import time
import types
from typing import Any

from selfalign.evaluate.harness import values
from selfalign.evaluate.harness.common import result_line


def main():
    """Run the reference solution given on standard input on its inputs; print outputs and CPU times as JSON."""
    job = json.loads(sys.stdin.read())

    from evalplus.gen import util

    util.time = types.SimpleNamespace(time=time.process_time)
    result = {}
    for part, packed in job["inputs"].items():
        inputs = values.loads(values.unpack(packed))
        with contextlib.redirect_stdout(io.StringIO()):
            if job["expressions"]:
                inputs = [eval(f"[{text}]") for text in inputs]
            measured: Any = util.trusted_exec(
                job["code"],
                inputs,
                job["entry_point"],
                record_time=True,
                output_not_none=job["output_not_none"],
            )
        outputs, seconds = measured
        lines = [
            result_line(values.dumps(output, digests=True, iterables=job["iterables"])) for output in outputs
        ]
        result[part] = {
            "inputs": values.pack(values.dumps(inputs)),
            "outputs": values.pack("".join(lines)),
            "seconds": seconds,
        }
    print(json.dumps(result))
