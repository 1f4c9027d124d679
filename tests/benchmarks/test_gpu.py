"""The GPU benchmark on a tiny model without a GPU: every case runs, and the batchings agree."""

import json
import os
import subprocess
import sys

OURS = ("published", "packed", "packed_checkpointing", "padded_4", "grouped_4")


def test_all_cases_run_without_a_gpu_from_a_copy_that_is_not_installed(root):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    environment["CUDA_VISIBLE_DEVICES"] = ""  # on a GPU it is a measurement of ten minutes
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--json"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert "not a measurement" in figures["device"]
    assert set(figures["models"]) == {"tiny"}
    cases = figures["models"]["tiny"]["cases"]
    for name in (*OURS, "trainer_4"):
        assert cases[name]["tokens_per_s"] > 0, cases[name]
        assert "mfu" not in cases[name]
    for name in OURS:
        assert cases[name]["planned_memory_gib"] > 0
        # bfloat16 has 8 bits of precision.
        assert cases[name]["loss_difference"] < 2**-8
    assert cases["published"]["padding_share"] == cases["packed"]["padding_share"] == 0
    assert cases["padded_4"]["padding_share"] > cases["grouped_4"]["padding_share"] > 0
    assert cases["packed_flash"]["skipped"]
    assert set(cases["trl_packed"]) >= {"tokens_per_s"} or cases["trl_packed"] == {
        "skipped": "trl is not installed"
    }
    assert figures["models"]["tiny"]["ratios"]["published"] == 1


def test_a_case_that_starts_too_late_is_skipped(root):
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--json", "--budget", "0", "--models", "tiny"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    cases = json.loads(done.stdout.splitlines()[-1])["models"]["tiny"]["cases"]
    assert cases["published"] == cases["trainer_4"] == {"skipped": "out of time"}
