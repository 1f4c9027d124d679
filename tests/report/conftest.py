"""A run as files, small and hostile, and a browser to look at its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfalign.core.jsonl import write_json, write_jsonl
from selfalign.report.files import files_of_run
from selfalign.report.funnel import write_funnel
from selfalign.report.page import write_page

HOSTILE = "</script><script>window.hacked = 1</script><b>&lt;"
COUNTS = {
    "seeds/counts/filter.json": {"step": "filter", "in": 10, "out": 4, "dropped": {"no_return": 6}},
    "concepts/counts/0000.json": {"step": "concepts", "in": 2, "out": 2, "dropped": {}},
    "concepts/counts/0001.json": {"step": "concepts", "in": 2, "out": 0, "dropped": {"cut": 2}},
    "execution/counts/0000.json": {"step": "execute", "in": 60, "out": 40, "dropped": {"assertion": 20}},
    "dataset/counts/a.json": {"step": "select", "in": 2, "out": 0, "dropped": {"duplicate <b>": 2}},
}


def row(index: int, **more: Any) -> dict[str, Any]:
    origin = {"package": "toolz", "version": "1.0.0", "license": "BSD License", "file": "a.py", "line": 3}
    return {
        "index": index,
        "seed": f"def f{index}(x):\n    return x",
        "concepts": ["lists", f"concept {index}"],
        "instruction": f"Write f{index}. {HOSTILE}",
        "response": f"answer {index}",
        "lineage": {
            "seed": origin,
            "response": {"model": "m", "request_seed": 3407 + index},
            "sample": {"number": 2},
            "execution": {"status": "passed", "program_sha256": "ab" * 32},
            "transformations": ["sanitize:raw", "sanitize:smart"],
        },
        **more,
    }


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with 40 kept rows and 23 dropped ones."""
    directory = tmp_path_factory.mktemp("report") / "tiny"
    for name, value in COUNTS.items():
        write_json(directory / name, value)
    write_funnel("tiny", [directory / name for name in COUNTS], directory / "report/funnel.json")
    write_jsonl(directory / "dataset/train.jsonl", [row(i) for i in range(40)])
    write_jsonl(
        directory / "execution/dropped/0000.jsonl",
        [row(i, reason="assertion", detail={"error": "AssertionError"}) for i in range(20)],
    )
    write_jsonl(
        directory / "dataset/dropped/select.jsonl",
        [row(i, reason="repeated_response", detail=f"as {HOSTILE}") for i in range(3)],
    )
    write_jsonl(directory / "concepts/shards/0000.jsonl", [row(i) for i in range(40)])
    write_jsonl(
        directory / "execution/verdicts/0000.jsonl",
        [{"status": "passed"}] * 40 + [{"status": "assertion", "error": "AssertionError"}] * 20,
    )
    write_json(
        directory / "concepts/metrics/0000.json",
        {
            "seconds": 1.0,
            "answers": 3,
            "from_cache": 2,
            "prompt_tokens": 30,
            "cached_tokens": 10,
            "completion_tokens": 9,
            "prompt_tokens_from_cache": 20,
            "completion_tokens_from_cache": 6,
        },
    )
    (directory / "benchmarks/concepts").mkdir(parents=True)
    for shard, seconds in (("0000", "90.5"), ("0001", "NA")):
        (directory / f"benchmarks/concepts/{shard}.tsv").write_text(
            f"s\tmax_rss\tcpu_time\n{seconds}\t100.0\t5.5\n"
        )
    write_jsonl(
        directory / "model/tuned.metrics.jsonl",
        [
            {
                "step": i,
                "loss": 2 - i / 10,
                "tokens": 500,
                "tokens_per_s": 125.0 if i == 1 else 250.0,
                "padding_share": 0.5,
                "flops": 3 * 10**11,
                "mfu": 0.25,
                "peak_memory_mb": 2000 + i,
            }
            for i in range(1, 6)
        ],
    )
    metrics = {"pass@1": {"value": 0.25, "interval": [0.1, 0.5], "correct": 41}}
    score = {
        "benchmark": "b",
        "title": "HumanEval",
        "dataset": {"version": "v1"},
        "n": 164,
        "metrics": metrics,
    }
    write_json(
        directory / "scores/summary.json",
        {"scores": [{"model": "base", "layout": "own", **score}], "comparisons": []},
    )
    write_json(
        directory / "report/provenance.json",
        {
            "commit": {"id": "c0ffee", "modified": ["rules/<x>.smk"]},
            "configuration_sha256": "ab" * 32,
            "environment": {
                "locks": {"envs/main.lock": "cd" * 32},
                "not_as_locked": {"vllm": None},
            },
            "images": {"sandbox": [{"runtime": "bubblewrap", "image": "python-3.11"}], "server": None},
            "hosts": [
                {
                    "name": "secret",
                    "system": "Linux 6",
                    "cores": 2,
                    "memory_mb": 2048,
                    "gpus": [],
                    "jobs": 7,
                }
            ],
        },
    )
    return directory


@pytest.fixture(scope="session")
def page(run: Path) -> Path:
    """The page of that run."""
    out = run / "report/index.html"
    write_page(out, run="tiny", files=files_of_run(run), configuration={"run": "tiny"})
    return out
