"""Unit tests of the rules that compute without a model: from the inputs of a finished build, the same bytes again."""

import json

import pytest
from tests.workflow.test_interrupted import hashes

pytestmark = [pytest.mark.workflow, pytest.mark.timeout(300)]

RULES = (
    "collect_functions",
    "deduplicate_functions",
    "check_functions",
    "seed_pool",
    "seed_shard",
    "execute",
    "sanitize_raw",
    "select",
    "sanitize_smart",
    "decontaminate",
    "dataset",
    "benchmark_score",
    "scores",
    "funnel",
)


@pytest.fixture(scope="module")
def outputs(finished):
    """The artifacts of each rule, as the build's own provenance has them."""
    artifacts = json.loads(finished.result("report/provenance.json").read_text())["artifacts"]
    made = {rule: [name for name, facts in artifacts.items() if facts["rule"] == rule] for rule in RULES}
    return {
        rule: [name for name in names if not name.endswith("timings.jsonl")] for rule, names in made.items()
    }


@pytest.fixture(scope="module")
def again(finished, outputs, tmp_path_factory):
    """What these rules alone make of a copy in which their artifacts, and verdicts kept from before, are missing."""
    build = finished.copy(tmp_path_factory.mktemp("rules") / "copy")
    for names in outputs.values():
        for name in names:
            build.result(name).unlink()
    for kept in (build.directory / "results").glob("verdicts.sqlite*"):
        kept.unlink()
    targets = [f"results/tiny/{name}" for names in outputs.values() for name in names]
    done = build.snakemake("--allowed-rules", *RULES, more=("--", *targets))
    assert done.returncode == 0, done.stdout[-4000:]
    return hashes(build)


@pytest.mark.parametrize("rule", RULES)
def test_it_makes_the_same_bytes_again(finished, outputs, again, rule):
    before = hashes(finished)
    assert outputs[rule]
    assert {name: again.get(name) for name in outputs[rule]} == {name: before[name] for name in outputs[rule]}
