"""Generation: our dispatcher against the reference's batches, grouped against faithful prompts, client cost.

    python benchmarks/generation.py --json [--quick] [--checkpoint DIR] [--only PART ...]

Parts and figures (the last line of the output is one JSON object):

- ``barrier``: ``barrier_ratio``, our throughput over the reference's at I->R lengths (8 requests in flight,
  wait for all), and ``saturation``, our share of what the server can do, both against the test server with 64
  slots and a service time of so much a token, lengths log-normal.
- ``client``: ``client_requests_per_s``, requests per second of the client's own CPU time, completion cache on the disk
  included, against a test server that answers at once; the `openai` package alone beside it, with either of its HTTP
  backends; memory while streaming.
- ``grouped``: ``grouped_ratio``, records per second of mode grouped over faithful on the real CPU server;
  needs ``--checkpoint``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openai
import psutil

from selfalign.client import Request, open_client
from selfalign.client.transport import Transport
from selfalign.core.config.serving import ClientConfig, ServerConfig
from selfalign.core.host import machine
from selfalign.generate.prompted_records import Sampling
from selfalign.generate.prompts import PromptBuilder, build_prompts
from selfalign.serving.command import server_command
from selfalign.serving.process import free_port, running

ROOT = Path(__file__).resolve().parent.parent
SLOTS = 64
TOKEN_MS = 2.0
# Tokens of a response, similar to published ones: median 350, with a tail up to the limit.
LENGTHS = (350, 0.6, 1536)
SAMPLES = 10
REFERENCE_BATCH = 8
BACKENDS = {"httpx": openai.DefaultAsyncHttpxClient, "aiohttp": openai.DefaultAioHttpClient}


def request(number: int, n: int = 1) -> Request:
    return Request(f"record {number}", f"{number}\n### Response", 1536, 0.7, n=n, seed=number)


def fake_server(*arguments: object) -> contextlib.AbstractContextManager[str]:
    from tests import model_server

    return model_server.running(*arguments)


def paced_server() -> contextlib.AbstractContextManager[str]:
    return fake_server(
        "--slots", SLOTS, "--token-ms", TOKEN_MS, "--lengths", *LENGTHS, "--record", "/dev/null"
    )


def barrier(quick: bool) -> dict[str, Any]:
    """Return requests per second of the dispatcher and of the reference's batches, with the same server."""
    ours_count, theirs_count = (1500, 64) if quick else (3000, 128)
    held_ms = 0.0
    with paced_server() as url:
        started = time.perf_counter()
        settings = ClientConfig(max_in_flight=4 * SLOTS)
        with open_client([url], "base", identity="b", cache=None, settings=settings) as client:
            for result in client.complete(request(i, SAMPLES) for i in range(ours_count)):
                assert result.error is None
                # The test server's filler has four characters a token; the longest sample is what holds its slot.
                held_ms += max(len(choice.text) for choice in result.choices) / 4 * TOKEN_MS
        ours = ours_count / (time.perf_counter() - started)
    with paced_server() as url:
        started = time.perf_counter()
        asyncio.run(in_batches(url, theirs_count))
        theirs = theirs_count / (time.perf_counter() - started)
    saturated = SLOTS / (held_ms / 1e3 / ours_count)
    return {
        "barrier_ratio": round(ours / theirs, 2),
        "saturation": round(ours / saturated, 4),
        "ours_requests_per_s": round(ours, 2),
        "reference_requests_per_s": round(theirs, 2),
        "saturated_requests_per_s": round(saturated, 2),
        "barrier_baseline": f"{REFERENCE_BATCH} requests at once, wait for all (the reference's I->R)",
    }


async def in_batches(url: str, count: int) -> None:
    """Send requests as the reference does: in batches, each of which waits for its slowest request."""
    transport = Transport("base", ClientConfig())
    for start in range(0, count, REFERENCE_BATCH):
        batch = [request(i, SAMPLES) for i in range(start, min(start + REFERENCE_BATCH, count))]
        await asyncio.gather(*(transport.complete(url, each) for each in batch))
    await transport.close()


def client_cost(quick: bool) -> dict[str, Any]:
    """Return requests per second of CPU time, of selfalign and of the `openai` package, and memory while streaming."""
    count = 20_000
    marks = (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000)
    with fake_server("--instant") as url, tempfile.TemporaryDirectory() as directory:
        settings = ClientConfig(max_in_flight=64)
        wall, cpu = time.perf_counter(), time.process_time()
        with open_client([url], "base", identity="b", cache=Path(directory), settings=settings) as client:
            done = sum(result.error is None for result in client.complete(map(request, range(count))))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert done == count
        memory = streaming_memory(url, marks)
        package = {backend: asyncio.run(openai_cost(url, 2000, backend)) for backend in BACKENDS}
    return {
        "client_requests_per_s": round(count / cpu, 1),
        "client_requests_per_s_wall": round(count / wall, 1),
        "openai_package_requests_per_s": {backend: round(rate, 1) for backend, rate in package.items()},
        "rss_mib": memory,
    }


def streaming_memory(url: str, marks: tuple[int, ...]) -> dict[str, float]:
    """Return the resident memory of a process that streams requests, in MiB, by number of requests."""
    program = "import benchmarks.generation as g, sys; g.stream(sys.argv[1], [int(m) for m in sys.argv[2:]])"
    command = [sys.executable, "-c", program, url, *map(str, marks)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def stream(url: str, marks: list[int]) -> None:
    process, found = psutil.Process(), {}
    with tempfile.TemporaryDirectory() as directory:
        settings = ClientConfig(max_in_flight=64)
        with open_client([url], "base", identity="b", cache=Path(directory), settings=settings) as client:
            results = client.complete(map(request, range(marks[-1])))
            for number, _ in enumerate(results, start=1):
                if number in marks:
                    found[str(number)] = round(process.memory_info().rss / 2**20, 1)
    print(json.dumps(found))


async def openai_cost(url: str, count: int, backend: str) -> float:
    """Return requests per second of CPU time with the `openai` package alone, 64 in flight."""
    http = BACKENDS[backend]()
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=http) as client:
        places = asyncio.Semaphore(64)

        async def one(number: int) -> None:
            async with places:
                body = request(number).body()
                await client.completions.create(model="base", **body)

        await one(0)
        cpu = time.process_time()
        await asyncio.gather(*(one(number) for number in range(count)))
        return count / (time.process_time() - cpu)


def grouped(quick: bool, checkpoint: Path) -> dict[str, Any]:
    """Return records per second of both modes for S->C and C->I with a real server and 8 few-shots per prompt."""
    count = 12 if quick else 24
    config = ServerConfig()
    port = free_port()
    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        command = server_command(config, checkpoint, "base", port)
        with running(command, port, Path(directory) / "server.log", config.startup_timeout_s):
            url = f"http://127.0.0.1:{port}/v1"
            for selection in ("faithful", "grouped"):
                for mode, record in (("S->C", seed), ("C->I", concepts)):
                    builder = build_prompts(
                        "selfalign",
                        ROOT / "prompts" / "few_shots.txt",
                        mode,
                        8,
                        selection=selection,
                        permutations=1,
                    )
                    rates[f"{selection} {mode}"] = round(records_per_s(url, builder, record, count), 4)
    ratios = {m: rates[f"grouped {m}"] / rates[f"faithful {m}"] for m in ("S->C", "C->I")}
    return {
        "grouped_ratio": round(min(ratios.values()), 2),
        "grouped_ratios": {mode: round(ratio, 2) for mode, ratio in ratios.items()},
        "records_per_s": rates,
        "grouped_records": count,
        "grouped_baseline": "few-shots drawn per record (mode faithful), same server, same client",
    }


def seed(number: int) -> dict[str, Any]:
    return {"seed": f"def scale_{number}(values, factor={number}):\n    return [v * factor for v in values]"}


def concepts(number: int) -> dict[str, Any]:
    return {"concepts": ["list comprehension", "default arguments", f"scaling by {number}"]}


def records_per_s(url: str, builder: PromptBuilder, record: Any, count: int) -> float:
    from selfalign.generate.prompted_records import PromptedRecord

    sampling = Sampling(1, 0.3, 40)
    prompted_records = [PromptedRecord(i, record(i), builder.build(record(i), i)) for i in range(count)]
    wanted = [prompted.request(sampling, builder.prompt_template) for prompted in prompted_records]
    started = time.perf_counter()
    with open_client([url], "base", identity="b", cache=None, settings=ClientConfig()) as client:
        assert all(result.error is None for result in client.complete(wanted))
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer requests: under ten minutes")
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "results/default/model/base")
    parser.add_argument("--only", nargs="+", choices=["barrier", "client", "grouped"])
    given = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    parts = given.only or ["barrier", "client", "grouped"]
    if "grouped" in parts and not (given.checkpoint / "config.json").exists():
        sys.exit(f"no checkpoint in {given.checkpoint}; make it (snakemake base_model) or give --checkpoint")
    figures: dict[str, Any] = {"benchmark": "generation", "quick": given.quick}
    if "barrier" in parts:
        figures |= barrier(given.quick)
    if "client" in parts:
        figures |= client_cost(given.quick)
    if "grouped" in parts:
        figures |= grouped(given.quick, given.checkpoint)
    figures["machine"] = machine()
    print(json.dumps(figures) if given.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
