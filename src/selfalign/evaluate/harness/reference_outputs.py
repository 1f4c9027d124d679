"""Compute the outputs and CPU times of a reference solution, for the ground truth. Runs inside the sandbox."""

import contextlib
import io
import json
import sys
import time
import types
from typing import Any

from selfalign.evaluate.harness.common import pack, shortened, unpack


def main():
    """Run the reference solution given on standard input on its inputs; print outputs and CPU times as JSON."""
    job = json.loads(sys.stdin.read())

    from evalplus.gen import util

    util.time = types.SimpleNamespace(time=time.process_time)
    result = {}
    for part, packed in job["inputs"].items():
        inputs = unpack(packed)
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
        result[part] = {
            "cases": pack((inputs, [shortened(output) for output in outputs])),
            "seconds": seconds,
        }
    print(json.dumps(result))
