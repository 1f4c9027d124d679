"""What a person reads when the launched processes fail, and the configurations they are launched with."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import InfrastructureError
from selfalign.train.job import TrainingJob
from selfalign.train.launch import CONFIGURATIONS, KEPT_MEMORY, launch, memory_settings

CONFIG = TrainingConfig(max_steps=1, gradient_accumulation_steps=1, max_length=400)


def test_a_failing_process_gives_one_line_and_no_traceback(tmp_path, llama, dataset, capfd):
    # A place below a file: that shows only when the weights are to be written.
    (tmp_path / "file").touch()
    job = TrainingJob(
        CONFIG, llama, dataset, tmp_path / "file/tuned", tmp_path / "metrics", tmp_path / "work"
    )
    log = tmp_path / "log"
    with pytest.raises(InfrastructureError) as caught:
        launch(job, threads=1, log=log)
    line = str(caught.value)
    assert line.startswith("training failed: ")
    assert line.endswith(f"; see {log}")
    assert str(tmp_path / "file") in line
    assert "\n" not in line
    assert "Traceback" not in log.read_text() + capfd.readouterr().err


def test_the_traceback_of_a_defect_is_in_the_log_without_the_launchers_own(
    tmp_path, llama, dataset, monkeypatch
):
    monkeypatch.setattr(TrainingJob, "write", lambda _, path: path.write_text("{}"))
    job = TrainingJob(CONFIG, llama, dataset, tmp_path / "tuned", tmp_path / "metrics", tmp_path / "work")
    log = tmp_path / "log"
    with pytest.raises(InfrastructureError, match=r"^training ended with exit status 1; see "):
        launch(job, threads=1, log=log)
    assert "Traceback" in log.read_text()
    assert "CalledProcessError" not in log.read_text()


@pytest.mark.parametrize("file", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_configurations_are_known_to_the_installed_accelerate(file):
    config = load_config_from_file(str(file))  # refuses what it does not know
    options = set(vars(launch_command_parser().parse_args(["script"])))
    assert set(config.fsdp_config) | set(config.deepspeed_config) <= options
    assert bool(config.fsdp_config) == (file.stem == "fsdp")
    assert bool(config.deepspeed_config) == (file.stem == "zero3")


ALLOCATE_TWICE = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
faults = []
for _ in range(2):
    block = ctypes.c_void_p(libc.malloc(100 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    ctypes.memset(block, 1, 100 << 20)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    libc.free(block)
print(*faults)
"""


def test_a_training_keeps_the_memory_it_has_had(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plain, kept = (
        subprocess.run(
            [sys.executable, "-c", ALLOCATE_TWICE], env=env, check=True, capture_output=True, text=True
        )
        for env in ({}, memory_settings())
    )
    assert int(plain.stdout.split()[1]) > 1000
    assert int(kept.stdout.split()[1]) < 10


def test_memory_settings_reach_the_training_and_give_way_to_ones_own(tmp_path, llama, dataset, monkeypatch):
    job = TrainingJob(CONFIG, llama, dataset, tmp_path / "tuned", tmp_path / "metrics", tmp_path / "work")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    seen = []

    def run(*_, env, **__):
        seen.append(env)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    for own in (None, "glibc.malloc.arena_max=1"):
        if own:
            monkeypatch.setenv("GLIBC_TUNABLES", own)
        launch(job, threads=1)
    assert [each["GLIBC_TUNABLES"] for each in seen] == [KEPT_MEMORY, "glibc.malloc.arena_max=1"]
