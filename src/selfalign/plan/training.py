"""Memory per GPU and duration of a training run, estimated from the shape of the model.

Weights, gradients and optimizer states are counted exactly, parameter by parameter, on a model without storage. With
LoRA, gradients and optimizer states are those of the adapters; with QLoRA, the weights of linear layers take 4 bits
and their quantization constants (Dettmers et al. 2023, arXiv:2305.14314). Activations are counted as by Korthikanti
et al. (2022, arXiv:2205.05198), with an attention that does not store the score matrix (SDPA, flash-attention).
Duration: 6 floating-point operations per parameter and token (4 if the parameter is frozen; 2 more with activation
recomputation; Kaplan et al. 2020, arXiv:2001.08361) at an assumed utilisation of the GPU's peak performance.

All parts are summed although they are not allocated at the same time (the optimizer step runs after the activations are
freed), so a run may need a third less. `tests/plan/test_training_measured.py` compares the sum with trainings on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from selfalign.core.config import Config
from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError
from selfalign.core.gpus import GpuModel
from selfalign.core.model_config import read_model_config

GIB = 2**30
SHAPES = Path(__file__).with_name("shapes.yaml")
BYTES = {"bfloat16": 2, "float32": 4}
# Size of a weight quantized to 4 bits, with doubly quantized constants (0.127 bits per weight), in bytes.
QUANTIZED_BYTES = (4 + 0.127) / 8

# GPU memory of the driver, cuBLAS and allocator fragmentation, in GiB: an allowance, not a measurement.
OVERHEAD_GIB = 1.5
# Utilisation of the peak performance when fine-tuning a large model with small batches: an assumption, which
# `selfalign plan train --utilisation` replaces.
UTILISATION = 0.3


@dataclass(frozen=True)
class Shape:
    """Shape of a model.

    Attributes:
        parameters: number of parameters; tied ones count once.
        matrices: shape of every parameter tensor.
        layers: number of layers.
        hidden: hidden size.
        intermediate: size of the MLP.
        key_values: total size of the key heads, which is that of the value heads.
        vocabulary: vocabulary size.
        gated: whether the MLP has a gate projection.
        linear: name and shape of the weights of every linear layer but the output layer.
    """

    parameters: int
    matrices: tuple[tuple[int, ...], ...]
    layers: int
    hidden: int
    intermediate: int
    key_values: int
    vocabulary: int
    gated: bool
    linear: tuple[tuple[str, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class TrainingEstimate:
    """Memory of one GPU, and duration.

    Attributes:
        parameters: number of parameters of the model.
        weights: memory of the weights, in GiB.
        gradients: memory of the gradients, in GiB.
        optimizer: memory of the optimizer, in GiB.
        activations: memory of the activations, in GiB.
        overhead: other memory, in GiB.
        step_seconds: duration of an optimizer step, in seconds.
        steps: number of optimizer steps.
    """

    parameters: int
    weights: float
    gradients: float
    optimizer: float
    activations: float
    overhead: float
    step_seconds: float
    steps: int

    @property
    def total(self) -> float:
        """Peak memory of one GPU, in GiB."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.overhead

    @property
    def hours(self) -> float:
        """Duration of the training, in hours."""
        return self.step_seconds * self.steps / 3600


def read_shape(model: str | Path) -> Shape:
    """Return the shape of a model.

    Args:
        model: checkpoint directory, or name of a published model.

    Raises:
        ConfigError: it is neither; the message lists the known names.
        DataError: the checkpoint is not a causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    if (Path(model) / "config.json").exists():
        config = AutoConfig.from_pretrained(model) if read_model_config(model) else None
    else:
        shapes = yaml.safe_load(SHAPES.read_text(encoding="utf-8"))
        if str(model) not in shapes:
            raise ConfigError(
                f"model '{model}': expected a checkpoint directory or one of {', '.join(shapes)}"
            )
        config = AutoConfig.for_model(**shapes[str(model)])
    assert config is not None
    with torch.device("meta"):
        loaded = AutoModelForCausalLM.from_config(config)
    loaded.tie_weights()
    parameters = list(loaded.parameters())  # tied ones once
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    return Shape(
        parameters=sum(each.numel() for each in parameters),
        matrices=tuple(tuple(each.shape) for each in parameters),
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        key_values=config.hidden_size // config.num_attention_heads * heads,
        vocabulary=config.vocab_size,
        gated=any("gate_proj" in name for name, _ in loaded.named_parameters()),
        linear=tuple(
            (name.rpartition(".")[2], tuple(module.weight.shape))
            for name, module in loaded.named_modules()
            if isinstance(module, torch.nn.Linear | Conv1D) and module is not loaded.get_output_embeddings()
        ),
    )


def adapter_matrices(shape: Shape, config: TrainingConfig) -> list[tuple[int, ...]]:
    """Return the shapes of the weights of the adapters, two matrices for every layer with one; [] without adapters.

    Args:
        shape: shape of the model.
        config: training configuration.
    """
    if config.method == "full":
        return []
    lora = config.lora
    chosen = [size for name, size in shape.linear if not lora.target_modules or name in lora.target_modules]
    return [each for rows, columns in chosen for each in ((lora.r, columns), (rows, lora.r))]


def optimizer_bytes(matrices: Sequence[tuple[int, ...]], optimizer: str, width: int) -> tuple[int, int]:
    """Return the sizes of an optimizer's states, and of its temporary values for the largest parameter, in bytes.

    Adafactor (Shazeer & Stern 2018, arXiv:1804.04235) without momentum keeps a float32 sum for each row and
    column of a matrix; AdamW keeps two values per parameter, in the parameter's type.

    Args:
        matrices: shape of every trained parameter tensor.
        optimizer: "adafactor" or "adamw_torch".
        width: size of a weight, in bytes.
    """
    if optimizer == "adamw_torch":
        return 2 * width * sum(map(math.prod, matrices)), 0
    # Adafactor also keeps the root mean square of each parameter tensor, a scalar.
    states = sum(4 + _adafactor_bytes(each) for each in matrices)
    # Gradient, parameter and update of one parameter at a time, in float32.
    return states, 3 * 4 * max(map(math.prod, matrices), default=0)


def _adafactor_bytes(matrix: tuple[int, ...]) -> int:
    if len(matrix) == 1:
        return 4 * matrix[0]
    return 4 * (math.prod(matrix[:-1]) + math.prod(matrix[:-2]) * matrix[-1])


def activation_bytes(shape: Shape, tokens: int, width: int, *, again: bool) -> int:
    """Return the size of the activations of a batch, including the logits, in bytes.

    Args:
        shape: shape of the model.
        tokens: tokens of the batch.
        width: size of a weight, in bytes.
        again: whether layers are recomputed in the backward pass, so that only their inputs are kept.
    """
    # Inputs of two norms, of the projections and of the MLP; queries, keys, values and attention's output.
    attention = 6 * shape.hidden + 2 * shape.key_values
    mlp = (3 if shape.gated else 2) * shape.intermediate
    layer = (attention + mlp) * width
    kept = shape.layers * shape.hidden * width + layer if again else shape.layers * layer
    # Logits in the model's type, in float32, and the gradient of those.
    logits = shape.vocabulary * (width + 4 + 4)
    return tokens * (kept + logits)


def estimate(
    shape: Shape,
    config: TrainingConfig,
    gpu: GpuModel,
    *,
    gpus: int = 1,
    sharded: bool = False,
    rows: int,
    tokens_per_row: float,
    utilisation: float = UTILISATION,
) -> TrainingEstimate:
    """Estimate memory and time of a training.

    Args:
        shape: shape of the model.
        config: training configuration.
        gpu: GPU model.
        gpus: number of GPUs.
        sharded: whether weights, gradients and optimizer states are sharded over the GPUs (FSDP, ZeRO-3), not copied.
        rows: rows of the data set.
        tokens_per_row: mean length of a row, in tokens.
        utilisation: utilisation of the GPU's peak performance, from 0 to 1.
    """
    width = BYTES[config.precision]
    parts = gpus if sharded else 1
    adapters = adapter_matrices(shape, config)
    added = sum(map(math.prod, adapters))
    weights = width * shape.parameters + BYTES["float32"] * added
    if config.method == "qlora":
        weights -= (width - QUANTIZED_BYTES) * sum(math.prod(size) for _, size in shape.linear)
    if config.method == "full":
        gradients, per_parameter = width * shape.parameters, 6
        states, work = optimizer_bytes(shape.matrices, config.optim, width)
    else:
        # The weights of adapters are float32.
        gradients, per_parameter = BYTES["float32"] * added, 4
        states, work = optimizer_bytes(adapters, config.optim, BYTES["float32"])
    # A sharded layer is gathered while it is computed.
    gathered = 2 * width * shape.parameters / shape.layers if parts > 1 else 0
    # The largest batch: rows of the maximum length, or a full pack.
    longest = config.max_length * config.per_device_train_batch_size
    tokens = max(config.packed_tokens, config.max_length) if config.batching == "packed" else longest
    again = config.gradient_checkpointing
    rows_per_step = config.per_device_train_batch_size * config.gradient_accumulation_steps
    steps = math.ceil(config.num_train_epochs * math.ceil(rows / rows_per_step))
    per_token = (per_parameter + 2 * again) * shape.parameters + 6 * added
    operations = per_token * tokens_per_row * min(rows_per_step, rows)
    return TrainingEstimate(
        parameters=shape.parameters,
        weights=(weights / parts + gathered) / GIB,
        gradients=gradients / parts / GIB,
        optimizer=(states + work) / parts / GIB,
        activations=activation_bytes(shape, tokens, width, again=again) / GIB,
        overhead=OVERHEAD_GIB,
        step_seconds=operations / (gpus * gpu.tflops * 1e12 * utilisation),
        steps=steps if config.max_steps < 0 else min(steps, config.max_steps),
    )


def preference_hours(
    shape: Shape,
    config: Config,
    gpu: GpuModel,
    *,
    gpus: int = 1,
    rows: int,
    tokens_per_row: float,
    utilisation: float = UTILISATION,
) -> float:
    """Estimate the hours of the training on preferences, if every row has the maximum number of pairs; 0 if it is off.

    A pair has two responses, each of which also passes through the reference model once.

    Args:
        shape: shape of the model.
        config: the configuration.
        gpu: GPU model.
        gpus: number of GPUs.
        rows: rows of the data set.
        tokens_per_row: mean length of a row, in tokens.
        utilisation: utilisation of the GPU's peak performance, from 0 to 1.
    """
    if not config.preferences.enabled:
        return 0.0
    training = config.preferences.training(config.training)
    # Operations per parameter and token: forward and backward pass of the policy, forward pass of the reference model.
    policy = 6 + 2 * training.gradient_checkpointing
    found = estimate(
        shape,
        training,
        gpu,
        gpus=gpus,
        rows=rows * config.preferences.max_pairs_per_instruction,
        tokens_per_row=2 * tokens_per_row,
        utilisation=utilisation,
    )
    return found.hours * (policy + 2) / policy


def describe(found: TrainingEstimate, gpu: GpuModel) -> dict[str, Any]:
    """Return an estimate as a JSON object, rounded.

    Args:
        found: the estimate.
        gpu: GPU model.
    """
    return {
        "parameters": found.parameters,
        "weights_gib": round(found.weights, 2),
        "gradients_gib": round(found.gradients, 2),
        "optimizer_gib": round(found.optimizer, 2),
        "activations_gib": round(found.activations, 2),
        "overhead_gib": found.overhead,
        "total_gib": round(found.total, 2),
        "gpu_memory_gib": gpu.memory_gib,
        "fits": found.total <= gpu.memory_gib,
        "steps": found.steps,
        "step_seconds": round(found.step_seconds, 2),
        "hours": round(found.hours, 2),
    }
