"""Tokens per second of the model server that `make` starts, by its settings.

    python benchmarks/serving.py --checkpoint results/default/model/base --json [--quick] [--variants NAME ...]

The last line of the output is one JSON object. Every variant starts a server of its own (default settings but for those
named), among them with and without prefix caching and speculative decoding (by n-grams of the prompt), and has:

- ``start_s``: seconds until it is ready;
- ``loads``: tokens per second of prompts and completions, with and without a shared prefix, by the number of requests in
  flight, as measured by ``selfalign plan measure`` (:mod:`selfalign.plan.throughput`);
- ``energy``: sources of the power in ``loads``, if it can be measured;
- ``error``, in place of these, if the server does not start with the settings.

The prompts are random words, which favour no n-gram: speculation on text that repeats its prompt is faster than measured
here. Run nothing else beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selfalign.core.config.serving import ServerConfig
from selfalign.core.errors import InfrastructureError
from selfalign.core.host import machine
from selfalign.plan.throughput import measure as measure_throughput
from selfalign.serving.command import HOST, THREAD_LIMITS, server_command
from selfalign.serving.process import free_port, running

CORES = os.cpu_count() or 1
N_GRAMS = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4}
IN_FLIGHT = (1, 16, 64)
# Settings of the server, and number of compute threads; None: as many as it starts with them.
VARIANTS: dict[str, tuple[dict[str, Any], int | None]] = {
    "default": ({}, None),
    "one core left": ({}, max(1, CORES - 1)),
    "all cores": ({}, CORES),
    "bfloat16, one core left": ({"dtype": "bfloat16"}, max(1, CORES - 1)),
    "bfloat16, all cores": ({"dtype": "bfloat16"}, CORES),
    "16 sequences": ({"max_num_seqs": 16}, None),
    "96 sequences": ({"max_num_seqs": 96}, None),
    "blocks of 128 tokens": ({"extra_args": ["--block-size", "128"]}, None),
    "no prefix caching": ({"extra_args": ["--no-enable-prefix-caching"]}, None),
    "speculative decoding": ({"extra_args": ["--speculative-config", json.dumps(N_GRAMS)]}, None),
}
# With compilation, which starts slowly; the second start finds the compiled code.
COMPILED: dict[str, tuple[dict[str, Any], int | None]] = dict.fromkeys(
    ("compiled", "compiled, second start"), ({}, None)
)


def main() -> None:
    """Measure every variant and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="directory of the model")
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    parser.add_argument(
        "--quick", action="store_true", help="fewer requests, and only the default unless --variants is given"
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=[*VARIANTS, *COMPILED],
        help="variants to measure, instead of all without compilation",
    )
    given = parser.parse_args()
    names = given.variants or (["default"] if given.quick else list(VARIANTS))
    variants = {name: (VARIANTS | COMPILED)[name] for name in names}
    load = os.getloadavg()[0]
    found = {
        name: measure(given.checkpoint, settings, threads, quick=given.quick, compiled=name in COMPILED)
        for name, (settings, threads) in variants.items()
    }
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    facts = {**machine(), "avx512_bf16": "avx512_bf16" in flags, "load_at_start": round(load, 1)}
    print(json.dumps({"benchmark": "serving", "quick": given.quick, "variants": found, "machine": facts}))


def measure(
    checkpoint: Path, settings: dict[str, Any], threads: int | None, *, quick: bool, compiled: bool
) -> dict[str, Any]:
    """Return the figures of one variant."""
    port = free_port()
    command = server_command(ServerConfig(**settings), checkpoint, "model", port)
    if threads is None:
        threads = int(command.env[THREAD_LIMITS[0]])
    else:
        cores = sorted(os.sched_getaffinity(0))[:threads]
        command.env["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
        command.env.update(dict.fromkeys(THREAD_LIMITS, str(threads)))
    if compiled:
        command = replace(command, argv=[word for word in command.argv if word != "--enforce-eager"])
    begun = time.monotonic()
    try:
        with (
            TemporaryDirectory() as directory,
            running(command, port, Path(directory) / "server.log", timeout_s=900),
        ):
            start = time.monotonic() - begun
            found = measure_throughput(
                [f"http://{HOST}:{port}/v1"], "model", in_flight=IN_FLIGHT[:2] if quick else IN_FLIGHT
            )
    except InfrastructureError as error:
        return {"threads": threads, "error": str(error).splitlines()[0]}
    return {
        "start_s": round(start, 1),
        "threads": threads,
        "loads": found["loads"],
        "energy": found["energy"],
    }


if __name__ == "__main__":
    main()
