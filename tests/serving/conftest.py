"""A checkpoint to serve, and processes to wait for."""

from __future__ import annotations

import json
import os
import time

import psutil
import pytest


@pytest.fixture
def checkpoint(tmp_path):
    directory = tmp_path / "model/base"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text("{}")
    return directory


@pytest.fixture
def random_model(tmp_path):
    """The directory of a small random model that vLLM can serve."""
    import torch
    from tiny import write_tiny_checkpoint
    from transformers import LlamaConfig, LlamaForCausalLM

    directory = write_tiny_checkpoint(tmp_path / "models/base")
    vocabulary = json.loads((directory / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    shape = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=vocabulary, tie_word_embeddings=True))
    model.save_pretrained(directory)
    return directory


@pytest.fixture
def started(tmp_path):
    """A function that returns the processes whose command lines name the test's directory: all that a test starts."""

    def find():
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(tmp_path) in " ".join(process.info["cmdline"] or []) and process.pid != os.getpid()
        ]

    return find


@pytest.fixture
def wait_until():
    """A function that waits until a condition holds, and returns whether it did."""

    def wait(condition, seconds=20.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.1)
        return False

    return wait
