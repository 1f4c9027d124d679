"""The whole build with the real server and the embedded model, on few seeds and short answers."""

import json
import time

import psutil
import pytest
from tests.workflow.harness import Build, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.server, pytest.mark.timeout(1800)]

# Of HumanEval, whose prompts take the server some seconds each where it computes in float32.
TASKS = (0, 23, 42, 53)
CONFIG = {
    "run": "real",
    "seeds": {"count": 4, "sources": {"packages": ["toolz==1.0.0"]}},
    "generation": {"shard_size": 4, "responses": {"n": 6}},
    "curation": {"self_tests": {"share": 0.0}},
    "training": {"max_steps": 1, "gradient_accumulation_steps": 1, "min_rows": 1},
    "evaluation": {
        "layouts": {"base": [], "tuned": ["own"]},
        "benchmarks": [{"name": "humaneval", "max_new_tokens": 12}],
    },
}


@pytest.fixture(scope="module")
def build(tmp_path_factory, embedded_gguf):
    directory = working_copy(tmp_path_factory.mktemp("real"), TASKS)
    gguf = directory / "resources/models" / embedded_gguf.name
    gguf.parent.mkdir(parents=True, exist_ok=True)
    gguf.symlink_to(embedded_gguf)
    return Build(directory, CONFIG)


def servers_of(build):
    return [
        p
        for p in psutil.process_iter(["cmdline"])
        if str(build.directory) in " ".join(p.info["cmdline"] or [])
    ]


def test_seeds_to_scores_with_vllm(build):
    done = build.snakemake("--keep-going", timeout=1700)
    funnel = json.loads(build.result("report/funnel.json").read_text())["steps"]
    assert {s["step"] for s in funnel} >= {"concepts", "instructions", "responses", "execute"}
    counts = {s["step"]: s for s in funnel}
    assert counts["concepts"]["in"] == 4
    assert counts["responses"]["out"] > 0
    assert counts["decontaminate"]["out"] > 0
    assert done.returncode == 0, done.stdout[-4000:]
    scores = json.loads(build.result("scores/summary.json").read_text())["scores"]
    assert {(s["model"], s["n"]) for s in scores} == {("tuned", len(TASKS))}
    deadline = time.monotonic() + 30
    while servers_of(build) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert servers_of(build) == [], "no server outlives the workflow"
