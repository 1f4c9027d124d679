"""What selfalign_snakemake.internals relies on holds for the pinned Snakemake: each use in a real run."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from selfalign_snakemake.internals import output_records

SNAKEFILE = """
from selfalign_snakemake import internals

STATE = config.get("state", "")
if STATE == "mark":
    internals.mark_incomplete(["a"])

rule all:
    default_target: True
    input: "b", "kept"

rule a:
    input: internals.as_input_called(ancient(local(config.get("source", "here/source"))), "source")
    output: "a"
    shell: "cp {input} {output}"

rule b:
    input: "a", "passing"
    output: "b"
    shell: "cp a {output}"

rule passing:
    output: temp("passing")
    shell: "touch {output}"

rule kept:
    output: "kept"
    benchmark: "kept.tsv"
    cache: STATE in ("cache", "cache with benchmark")
    shell: "touch {output}"

if STATE == "cache":
    internals.remove_benchmarks_of_cached_rules(workflow)

onstart:
    with open("planned", "w") as handle:
        handle.write(" ".join(sorted(internals.planned_outputs(workflow))))
"""

OUTER = """
onstart:
    print("outer starts")

onsuccess:
    print("outer succeeds")

module inner:
    snakefile: "deep/inner.smk"
    config: config["inner"]

use rule * from inner as inner_*
"""

INNER = """
from selfalign_snakemake import internals

print("directory", internals.snakefile_directory(workflow))
print("outer", internals.outer_configuration(workflow))

rule one:
    output: "one"
    shell: "touch {output}"

rule two:
    output: "two"
    shell: "touch {output}"

onstart:
    print("inner starts")

onsuccess:
    print("inner succeeds")

onerror:
    print("inner fails")

if internals.is_module(workflow):
    internals.add_handlers_to_outer_workflow(
        workflow, onstart=onstart, onsuccess=onsuccess, onerror=onerror
    )
"""


PREFIXED = """
from selfalign_snakemake import internals

internals.use_rules(
    workflow, ["one", "two"], snakefile="inner.smk", config={}, prefix="again_"
)

rule all:
    default_target: True
    input: rules.again_one.output, rules.again_two.output
"""

OF_PROFILE = """
rule one:
    output: "one"
    threads: 1
    resources: kind="own"
    shell: "echo {resources.kind} {threads} > {output}"

rule two:
    input: "one"
    output: "two"
    resources: kind="own"
    shell: "echo {resources.kind} > {output}"
"""

# While `slow` has the only token, `last` waits for it.
WAITING = """
from selfalign_snakemake import internals

onstart:
    internals.remove_default_rate_limit(workflow)

rule all:
    default_target: True
    input: expand("quick{number}", number=range(4)), "slow", "last"

rule quick:
    output: "quick{number}"
    shell: "touch {output}"

rule slow:
    output: "slow"
    priority: 1
    resources: token=1
    shell: "sleep 4; touch {output}"

rule last:
    output: "last"
    resources: token=1
    shell: "touch {output}"
"""


@pytest.fixture
def snakemake(tmp_path):
    """A directory with the Snakefile, and a function that runs it there."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/source").write_text("content")

    def run(*arguments, returncode=0):
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete", *arguments],
            cwd=tmp_path,
            env={**os.environ, "SNAKEMAKE_OUTPUT_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == returncode, done.stdout
        return done.stdout

    (tmp_path / "cache").mkdir()
    return run


def jobs(output):
    return [
        name for name in re.findall(r"^(?:local)?rule (\w+):", output, flags=re.MULTILINE) if name != "all"
    ]


def test_the_version_is_the_pinned_one(root):
    assert f"snakemake=={version('snakemake')}" in (root / "envs/main.lock").read_text()


def test_planned_outputs_are_those_that_last(snakemake, tmp_path):
    snakemake()
    assert (tmp_path / "planned").read_text() == "a b kept"
    assert not (tmp_path / "passing").exists()


def test_marked_files_are_made_again_with_what_depends_on_them(snakemake):
    snakemake()
    assert jobs(snakemake()) == []
    assert sorted(jobs(snakemake("--config", "state=mark"))) == ["a", "b", "passing"]


def test_an_input_goes_by_its_name_wherever_it_lies(snakemake, tmp_path):
    snakemake()
    (tmp_path / "there").mkdir()
    (tmp_path / "there/source").write_text("content")
    assert jobs(snakemake("--config", "source=there/source")) == []


def test_cached_rules_may_have_no_benchmark(snakemake, tmp_path):
    assert "benchmark" in snakemake("--cache", "--config", "state=cache with benchmark", returncode=1)
    snakemake("--cache", "--config", "state=cache")
    assert not (tmp_path / "kept.tsv").exists()
    assert list((tmp_path / "cache").iterdir())


def test_handlers_of_a_module_run_once_after_those_of_the_outer_workflow(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(OUTER)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/inner.smk").write_text(INNER)
    output = snakemake("inner_one", "inner_two", "--config", "inner={'a': 1}", "other=2")
    assert f"directory {tmp_path / 'deep'}" in output
    assert "outer {'inner': {'a': '1'}, 'other': 2}" in output
    said = re.findall(r"^(?:inner|outer) \w+$", output, flags=re.MULTILINE)
    assert said == ["outer starts", "inner starts", "outer succeeds", "inner succeeds"]


def test_a_snakefile_of_its_own_is_no_module(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(INNER)
    output = snakemake("one")
    assert f"directory {tmp_path}\n" in output
    assert "outer None" in output
    assert output.count("inner starts") == 1


def test_records_name_the_rule_and_the_times_of_every_output(snakemake, tmp_path):
    snakemake()
    found = output_records(tmp_path / ".snakemake/metadata")
    assert {path: record["rule"] for path, record in found.items()} == {
        name: name for name in ("a", "b", "kept", "passing")
    }
    assert all(record["started"] <= record["ended"] for record in found.values())


def test_long_names_of_records_are_joined(tmp_path):
    name = base64.urlsafe_b64encode(b"a/long/path").decode()
    (tmp_path / f"@{name[:6]}").mkdir()
    (tmp_path / f"@{name[:6]}" / name[6:]).write_text(json.dumps({"rule": "r"}))
    (tmp_path / "no base64").write_text("{}")
    assert output_records(tmp_path) == {"a/long/path": {"rule": "r", "started": None, "ended": None}}


def test_settings_of_a_profile_apply_to_rules_with_a_prefix(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(PREFIXED)
    (tmp_path / "inner.smk").write_text(OF_PROFILE)
    settings = ["--set-resources", "one:kind=profile", "two:kind=profile", "again_two:kind=named"]
    snakemake("--cores", "2", *settings, "--set-threads", "one=2")
    assert (tmp_path / "one").read_text() == "profile 2\n"
    assert (tmp_path / "two").read_text() == "named\n"


def test_the_scheduler_looks_for_jobs_when_one_has_ended_and_not_every_second(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(WAITING)
    output = snakemake("--cores", "2", "--resources", "token=1", "--verbose")
    # Once at the beginning, and once for each of the six jobs of `all`; with the default limit of jobs per second, 22 times.
    assert output.count("Ready jobs: ") <= 7


def test_another_limit_of_jobs_per_second_is_kept(snakemake, tmp_path):
    (tmp_path / "Snakefile").write_text(WAITING)
    output = snakemake("quick0", "quick1", "--max-jobs-per-timespan", "1/2s")
    assert "Job rate limit reached" in output
