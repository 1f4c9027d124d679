"""Two processes that share every step end with the weights of one."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.train.job import TrainingJob
from selfalign.train.run import train


def test_two_processes_train_as_one_does(llama, dataset, tmp_path, monkeypatch):
    # Five batches a step: the second process gets one that does not count.
    config = TrainingConfig(
        learning_rate=1e-3,
        gradient_accumulation_steps=5,
        max_steps=3,
        max_length=400,
        batching="padded",
        per_device_train_batch_size=1,
    )
    jobs = [
        TrainingJob(config, llama, dataset, tmp_path / n, tmp_path / f"{n}.jsonl", tmp_path / f"{n}.work")
        for n in ("one", "two")
    ]
    train(jobs[0])
    jobs[1].write(tmp_path / "two.json")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "selfalign.train.run", str(tmp_path / "two.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses = [[json.loads(line)["loss"] for line in job.metrics.open()] for job in jobs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    one, two = (load_file(job.out / "model.safetensors") for job in jobs)
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-5


def test_processes_that_would_each_train_alone_are_refused(llama, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    job = TrainingJob(TrainingConfig(), llama, dataset, tmp_path / "o", tmp_path / "m", tmp_path / "w")
    with pytest.raises(ConfigError, match=r"training\.accelerate: 2 processes were started.*among 1"):
        train(job)
    assert not job.out.exists()
