"""Tokens per second of the model server that `make` starts, by its settings.

    python benchmarks/serving.py --checkpoint results/default/model/base --json [--quick] [--compiled]

The last line of the output is one JSON object. Every variant starts a server of its own (default settings but for those
named) and has:

- ``start_s``: seconds until it is ready;
- ``prompt_tokens_per_s``: prompts of 600 random words that share nothing, one token each, 8 at once;
- ``decode_tokens_per_s``: completions of 64 tokens after short prompts, by the number of sequences in flight;
- ``shared_prefix``: the work of the stage `responses`: prompts of 600 tokens that differ in their last words, six
  samples of 64 tokens each; completion tokens per second.

Run nothing else beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openai import AsyncOpenAI

from selfalign.core.config.serving import ServerConfig
from selfalign.core.host import machine
from selfalign.serving.command import HOST, THREAD_LIMITS, server_command
from selfalign.serving.process import free_port, running

CORES = os.cpu_count() or 1
WORDS = ("list", "number", "text", "value", "index", "return", "sum", "first", "last", "key", "count", "sort")
IN_FLIGHT = (1, 16, 64)
# Settings of the server and number of compute threads.
VARIANTS: dict[str, tuple[dict[str, Any], int]] = {
    "default": ({}, max(1, CORES - 1)),
    "all cores": ({}, CORES),
    "bfloat16": ({"dtype": "bfloat16"}, max(1, CORES - 1)),
    "bfloat16, all cores": ({"dtype": "bfloat16"}, CORES),
    "16 sequences": ({"max_num_seqs": 16}, max(1, CORES - 1)),
    "96 sequences": ({"max_num_seqs": 96}, max(1, CORES - 1)),
}


def main() -> None:
    """Measure every variant and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="directory of the model")
    parser.add_argument("--json", action="store_true", help="print one JSON object last (always done)")
    parser.add_argument("--quick", action="store_true", help="fewer requests, and the default alone")
    parser.add_argument("--compiled", action="store_true", help="also with compilation, which starts slowly")
    given = parser.parse_args()
    variants = {"default": VARIANTS["default"]} if given.quick else dict(VARIANTS)
    if given.compiled:
        variants["compiled"] = ({}, max(1, CORES - 1))
        variants["compiled, second start"] = ({}, max(1, CORES - 1))
    load = os.getloadavg()[0]
    found = {
        name: measure(given.checkpoint, settings, threads, quick=given.quick, compiled="compiled" in name)
        for name, (settings, threads) in variants.items()
    }
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    facts = {**machine(), "avx512_bf16": "avx512_bf16" in flags, "load_at_start": round(load, 1)}
    print(json.dumps({"benchmark": "serving", "quick": given.quick, "variants": found, "machine": facts}))


def measure(
    checkpoint: Path, settings: dict[str, Any], threads: int, *, quick: bool, compiled: bool
) -> dict[str, Any]:
    """Return the figures of one variant."""
    port = free_port()
    command = server_command(ServerConfig(**settings), checkpoint, "model", port)
    cores = sorted(os.sched_getaffinity(0))[:threads]
    command.env["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    command.env.update(dict.fromkeys(THREAD_LIMITS, str(threads)))
    if compiled:
        command = replace(command, argv=[word for word in command.argv if word != "--enforce-eager"])
    begun = time.monotonic()
    with (
        TemporaryDirectory() as directory,
        running(command, port, Path(directory) / "server.log", timeout_s=900),
    ):
        start = time.monotonic() - begun
        return {"start_s": round(start, 1), "threads": threads, **asyncio.run(ask(port, quick=quick))}


async def ask(port: int, *, quick: bool) -> dict[str, Any]:
    """Return the rates of a running server."""
    generator = random.Random(0)

    def words(count: int) -> str:
        return " ".join(generator.choices(WORDS, k=count))

    async with AsyncOpenAI(base_url=f"http://{HOST}:{port}/v1", api_key="none", max_retries=0) as client:

        async def rate(prompts: list[str], at_once: int, kind: str, *, tokens: int = 64, n: int = 1) -> float:
            """Return the tokens of `kind` per second of requests, `at_once` of them in flight."""
            slots = asyncio.Semaphore(at_once)

            async def one(prompt: str) -> int:
                async with slots:
                    answer = await client.completions.create(
                        model="model",
                        prompt=prompt,
                        max_tokens=tokens,
                        n=n,
                        temperature=0.6,
                        extra_body={"ignore_eos": True},
                    )
                return getattr(answer.usage, kind)

            begun = time.monotonic()
            counts = await asyncio.gather(*map(one, prompts))
            return round(sum(counts) / (time.monotonic() - begun), 1)

        await rate([words(8)] * 2, 2, "completion_tokens", tokens=8)
        prompt = await rate([words(600) for _ in range(8)], 8, "prompt_tokens", tokens=1)
        decode = {
            str(at_once): await rate([words(8) for _ in range(max(2, at_once))], at_once, "completion_tokens")
            for at_once in (IN_FLIGHT[:2] if quick else IN_FLIGHT)
        }
        prefix = words(580)
        shared = await rate(
            [f"{prefix} {words(20)}" for _ in range(4 if quick else 16)], 64, "completion_tokens", n=6
        )
    return {"prompt_tokens_per_s": prompt, "decode_tokens_per_s": decode, "shared_prefix": shared}


if __name__ == "__main__":
    main()
