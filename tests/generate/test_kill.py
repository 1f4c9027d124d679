"""kill -9 at 25 random moments: the same bytes in the end, and nothing cached is asked again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time

from selfalign.completion_cache import open_completion_cache, request_key
from selfalign.generate.prompted_records import Sampling, read_prompted_records
from selfalign.generate.prompts import build_prompts

KILLS = 25
RECORDS = 300
# Each kill loses at most this many answers, which the server gave and the client had not stored yet.
IN_FLIGHT = 4


def command(url, source, out, cache, few_shots):
    return [
        sys.executable, "-m", "selfalign", "generate", "--mode", "S->C", "--endpoint", url, "--model", "base",
        "--completion-cache", str(cache), "--few-shots", str(few_shots), "--max-in-flight", str(IN_FLIGHT),
        "--log-level", "ERROR", str(source), str(out),
    ]  # fmt: skip


def answers(record):
    return record.read_text().count("answered") if record.exists() else 0


def test_killed_25_times(start_double, seeds, few_shots, tmp_path):
    source, out, cache, record = seeds(RECORDS), tmp_path / "o.jsonl", tmp_path / "j", tmp_path / "record"
    clean = start_double("--record", tmp_path / "clean")
    one_by_one = [*command(clean, source, tmp_path / "clean.jsonl", tmp_path / "j0", few_shots)]
    one_by_one[one_by_one.index("--max-in-flight") + 1] = "1"
    subprocess.run(one_by_one, check=True)

    url = start_double("--record", record, "--slots", IN_FLIGHT, "--token-ms", 1)
    keys = completion_keys(source, few_shots, tmp_path / "clean")
    moments = random.Random(25)
    asked_before: dict[str, int] = {}
    for kill in range(KILLS):
        wanted = (kill + moments.random()) * (RECORDS - 40) / KILLS
        process = subprocess.Popen(command(url, source, out, cache, few_shots))
        while answers(record) < wanted and process.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
        assert not out.exists()
        # What was cached before this run was not asked for in it.
        asked = times_asked(record)
        assert all(asked[name] == times for name, times in asked_before.items())
        with open_completion_cache(cache) as known:
            asked_before = {name: asked[name] for key, name in keys.items() if known.get(key) is not None}
    assert len(asked_before) > RECORDS / 4

    subprocess.run(command(url, source, out, cache, few_shots), check=True)
    assert out.read_bytes() == (tmp_path / "clean.jsonl").read_bytes()
    asked = times_asked(record)
    assert all(asked[name] == times for name, times in asked_before.items())


def completion_keys(source, few_shots, record):
    """Map the completion key of each request to the hash of the body the server sees, by a run in order."""
    builder = build_prompts("starcoder2-instruct", few_shots, "S->C")
    bodies = [
        prompted.request(Sampling(1, 0.7, 1536), builder.prompt_template).body()
        for prompted in read_prompted_records(source, builder)
    ]
    hashes = [line.split()[1] for line in record.read_text().splitlines() if line.startswith("asked")]
    assert len(set(hashes)) == len(bodies)
    return dict(zip((request_key("base", body) for body in bodies), hashes, strict=True))


def times_asked(record):
    lines = record.read_text().splitlines() if record.exists() else []
    found: dict[str, int] = {}
    for line in lines:
        event, name = line.split()
        if event == "asked":
            found[name] = found.get(name, 0) + 1
    return found
