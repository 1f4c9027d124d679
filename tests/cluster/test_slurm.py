"""profiles/slurm on a real one-node Slurm: the whole tiny build against the test server."""

import pytest
from tests.cluster.slurm import CANCELLED, requested, rule_of
from tests.workflow.test_interrupted import hashes

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]

ON_GPUS = ("concepts", "instructions", "responses", "benchmark_samples", "train")
ON_CPUS = ("base_model", "collect_functions", "deduplicate_functions", "check_functions", "seed_pool")
# A group's job is named by the group and its rules, and shortened by the plugin.
CURATION = "curation_dataset_decontaminate_nontrivial_tests_sanitize_raw_sanitize_smart_..."
ON_CPUS += ("execute", CURATION, "benchmark_score", "provenance")
LOCAL = ("fetch_package", "seed_shard", "funnel", "scores", "report")


@pytest.mark.parametrize("rule", ON_GPUS)
def test_gpu_rules_ask_for_a_gpu_in_the_gpu_partition(on_slurm, rule):
    asked = [(job["Partition"], requested(job).get("gpu")) for job in on_slurm.of(rule)]
    assert asked
    assert set(asked) == {("gpu", "1")}


@pytest.mark.parametrize("rule", ON_CPUS)
def test_cpu_rules_ask_for_none(on_slurm, rule):
    asked = [(job["Partition"], requested(job).get("gpu")) for job in on_slurm.of(rule)]
    assert asked
    assert set(asked) == {("cpu", None)}


@pytest.mark.parametrize("rule", LOCAL)
def test_short_rules_are_no_slurm_jobs(on_slurm, rule):
    assert on_slurm.of(rule) == []


def test_a_chain_of_short_rules_is_one_job(on_slurm):
    assert len(on_slurm.of(CURATION)) == 1
    assert not any(on_slurm.of(rule) for rule in ("sanitize_raw", "select", "dataset"))


def test_threads_are_cores(on_slurm):
    assert {requested(job)["cpu"] for job in on_slurm.of("execute")} == {"8"}
    assert {requested(job)["cpu"] for job in on_slurm.of("seed_pool")} == {"1"}


def test_a_cancelled_job_is_submitted_again_with_more_memory(on_slurm):
    first, second = on_slurm.of(CANCELLED)
    assert (first["JobState"], second["JobState"]) == ("CANCELLED", "COMPLETED")
    assert (requested(first)["mem"], requested(second)["mem"]) == ("2000M", "4000M")


def test_only_the_cancelled_job_was_repeated(on_slurm):
    names = [rule_of(job) for job in on_slurm.jobs]
    assert {name for name in names if names.count(name) > 1} == {rule_of(on_slurm.of(CANCELLED)[0])}


def test_the_result_has_the_bytes_of_a_local_run(on_slurm, finished):
    here, local = hashes(on_slurm.build), hashes(finished)
    for each in (here, local):
        each.pop("report/configuration.yaml", None)  # names the profile's server.lifetime
    assert len(local) > 60
    assert here == local


def test_nothing_is_left_to_do(on_slurm):
    assert on_slurm.build.stale_rules() == set()


@pytest.mark.soak
def test_interrupting_leaves_no_job_behind(stopped):
    assert stopped.left_by_interrupt == []


@pytest.mark.soak
def test_an_interrupted_and_a_requeued_job_go_on_from_the_cache(stopped, finished):
    by_interrupt, by_requeue, at_last = stopped.asked
    assert stopped.restarts == 1
    bought_first, bought_second = stopped.bought
    assert bought_first
    assert bought_second
    assert not {*bought_first} & {*by_requeue, *at_last}
    assert not {*bought_second} & {*at_last}
    assert len(at_last) < len(by_requeue) < len(by_interrupt)
    assert stopped.rows == finished.result("responses/shards/0000.jsonl").read_bytes()
