"""What the doctor says of machines that lack something, and of this one."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from selfalign.cli import build_app
from selfalign.doctor.capabilities import assess
from selfalign.doctor.facts import Facts, Gpu

GOOD = Facts(
    cores=8,
    memory_gib=32.0,
    free_disk_gib=100.0,
    python="3.11.7",
    instructions=("avx2",),
    gpus=(Gpu("NVIDIA A100-SXM4-80GB", 80.0),),
    modules=("vllm", "torch"),
    engines={"docker": None, "podman": "command podman not found"},
    runtimes={"docker": None, "bubblewrap": None},
    slurm=("cpu", "gpu"),
    indexes={"package index": None, "model hub": None},
)


def verdict(what, **changes):
    return next(v for v in assess(dataclasses.replace(GOOD, **changes)) if what in v.what)


def test_everything_works_where_everything_is():
    assert all(each.works for each in assess(GOOD))


@pytest.mark.parametrize(
    ("what", "changes", "why"),
    [
        ("embedded default", {"memory_gib": 4.0}, "needs 8 GiB of memory, found 4.0"),
        ("embedded default", {"free_disk_gib": 1.0}, "needs 6 GiB of free disk, found 1.0"),
        ("embedded default", {"modules": ()}, "server.kind: external"),
        ("embedded default", {"instructions": (), "gpus": ()}, "AVX2"),
        ("sandbox", {"runtimes": {"bubblewrap": "starts (no)"}}, "bubblewrap: starts (no)"),
        ("packages", {"indexes": {"package index": "timed out"}}, "timed out"),
        ("billions", {"gpus": ()}, "no GPU"),
        ("containers", {"engines": {"docker": "command docker not found"}}, "command docker not found"),
        ("Slurm", {"slurm": None}, "no sinfo"),
        ("hub", {"indexes": {"model hub": "Name or service not known"}}, "model.source: path"),
    ],
)
def test_what_lacks_is_named_with_what_to_do(what, changes, why):
    found = verdict(what, **changes)
    assert not found.works
    assert why in found.why


def test_a_gpu_is_worth_the_model_it_holds():
    assert "up to about 41B" in verdict("billions").why


def test_this_machine_is_looked_at_for_real(tmp_path):
    done = CliRunner().invoke(build_app(), ["doctor", str(tmp_path), "--no-network", "--json"])
    found = json.loads(done.stdout)
    assert found["facts"]["cores"] >= 1
    assert found["facts"]["memory_gib"] > 0.1
    needed = [v for v in found["verdicts"] if v["needed"]]
    assert done.exit_code == (0 if all(v["works"] for v in needed) else 1)
    assert "bubblewrap" in found["facts"]["runtimes"]
