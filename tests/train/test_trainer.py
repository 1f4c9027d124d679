"""What the Trainer's metrics say."""

import subprocess
import sys

import torch

from selfalign.train.trainer import peak_memory_mb


def test_the_peak_of_memory_is_the_process_own_and_not_that_of_its_parent():
    held = torch.ones(2**27)  # 512 MiB
    code = "from selfalign.train.trainer import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert peak_memory_mb() > held.numel() * held.element_size() / 2**20
    assert 50 < float(done.stdout) < peak_memory_mb() - 256
