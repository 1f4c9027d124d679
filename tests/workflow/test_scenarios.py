"""Every preset is valid: the whole build is planned by it, with the rules its scenario is about."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.workflow.harness import ROOT, working_copy

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(600)]

SCENARIOS = sorted(path.stem for path in (ROOT / "presets/scenarios").glob("*.yaml"))


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """What a dry run says under each scenario."""
    directory = working_copy(tmp_path_factory.mktemp("scenarios"))

    def plan(name):
        preset = f"presets/scenarios/{name}.yaml"
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--configfile", preset]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(SCENARIOS, threads.map(plan, SCENARIOS), strict=True))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_plans_the_whole_build(planned, name):
    status, text = planned[name]
    assert status == 0, text[-3000:]
    for rule in ("collect_functions", "instructions", "execute", "train", "scores", "report"):
        assert rule in text
    assert ("\nconcepts " in text) == (name != "pipeline-direct")


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_alone_is_scored_with_its_base_model(tmp_path, merge):
    # In the plain layout, the tokenizer of the base model is no input.
    settings = [
        f'training={{"method": "lora", "lora": {{"merge": {str(merge).lower()}}}}}',
        'evaluation={"layouts": {"base": [], "tuned": ["plain"]}}',
    ]
    samples = "results/default/scores/tuned/plain/humaneval/samples.jsonl"
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", "--config", *settings]
    done = subprocess.run(
        [*command, "--", samples], cwd=working_copy(tmp_path), capture_output=True, text=True, check=True
    )
    reason = next(
        line
        for line in (done.stdout + done.stderr).splitlines()
        if line.startswith(f"Reason: Missing output files: {samples};")
    )
    assert "results/default/model/tuned" in reason
    assert ("results/default/model/base" in reason) == (not merge)


def test_the_papers_ablations_are_there():
    assert {"pipeline-concepts", "pipeline-direct", "pipeline-snippets"} <= set(SCENARIOS)
    assert {"few-shots-faithful", "few-shots-grouped"} <= set(SCENARIOS)
    assert sum(name.startswith("model-") for name in SCENARIOS) >= 5
