"""The calculator's memory against that of a training which is run."""

import json
import os
import subprocess
import sys

import pytest
from tiny import write_tiny_checkpoint

from selfalign.core.config.training import TrainingConfig
from selfalign.core.gpus import GPUS
from selfalign.plan.training import estimate, read_shape

# A process trains a model of a given shape on rows of random tokens and prints what that took above what it had
# before the model was loaded, in GiB. The first product of matrices comes before, with what its library takes.
RUN = """
import json, sys, tempfile
import torch
from selfalign.core.config.training import TrainingConfig
from selfalign.train.data import Encoded, load_tokenizer
from selfalign.train.run import build_trainer
from selfalign.train.trainer import peak_memory_mb

torch.set_num_threads(1)
base, config = sys.argv[1], TrainingConfig(**json.loads(sys.argv[2]))
tokenizer = load_tokenizer(base)
ids = torch.randint(600, (2, config.max_length)).tolist()
encoded = Encoded([{"input_ids": row, "labels": [-100, -100, *row[2:]]} for row in ids])
product = torch.randn(300, 300, requires_grad=True)
(product @ product).sum().backward()
with open("/proc/self/status") as status:
    before = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
with tempfile.TemporaryDirectory() as work:
    build_trainer(config, base, encoded, tokenizer, work).train()
print(peak_memory_mb() / 1024 - before / 2**20)
"""
# Large tensors are given back when they are freed, so that no fragments of a heap are measured.
ENVIRONMENT = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(128 * 1024)}
SHAPES = {
    "a twentieth": {
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_hidden_layers": 12,
        "vocab_size": 16384,
    },
    "the embedded model": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "vocab_size": 49152,
    },
}


@pytest.mark.parametrize("name", ["a twentieth", pytest.param("the embedded model", marks=pytest.mark.soak)])
@pytest.mark.parametrize("tokens", [320, 1280])
def test_a_run_needs_the_planned_memory_and_not_much_less(tmp_path, name, tokens):
    from transformers import LlamaConfig, LlamaForCausalLM

    base = write_tiny_checkpoint(tmp_path / "base")
    config = LlamaConfig(
        **SHAPES[name],
        num_attention_heads=SHAPES[name]["hidden_size"] // 64,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(base)
    recipe = {
        "max_length": tokens,
        "batching": "padded",
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 1,
        "max_steps": 2,
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(base), json.dumps(recipe)],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    measured = float(done.stdout.splitlines()[-1])
    found = estimate(
        read_shape(base), TrainingConfig(**recipe), GPUS["a100-80gb"], rows=2, tokens_per_row=tokens
    )
    planned = found.total - found.overhead  # the allowance is for a GPU's driver and libraries
    print(f"{name}, {tokens} tokens: planned {planned:.2f} GiB, measured {measured:.2f} GiB")
    # The plan adds up what is not all there at once: the optimizer's work and the activations.
    assert measured * 0.95 < planned < measured * 1.5
