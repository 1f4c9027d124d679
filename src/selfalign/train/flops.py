"""Floating-point operations of a training step, and the utilisation of the device's peak performance (MFU)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from selfalign.core.config.training import TrainingConfig
from selfalign.core.gpus import reported_tflops


@dataclass(frozen=True)
class ModelFlops:
    """Floating-point operations that a model needs for one forward and backward pass (model FLOPs).

    Counted as by Chowdhery et al. (2022, arXiv:2204.02311, appendix B), but exactly: matrix products of the linear
    layers, and attention between a token and the tokens before it. Padding, recomputed activations and the gradients of
    frozen weights are not counted.

    Attributes:
        per_token: operations of the linear layers, for one token.
        per_pair: operations of attention, for one pair of a token and a token that it attends to.
    """

    per_token: int
    per_pair: int

    @classmethod
    def of(cls, model: Any) -> ModelFlops:
        """Return the operations of a causal language model.

        Args:
            model: a model of transformers, or a ``PeftModel`` of one.
        """
        per_token = 0
        for module in model.modules():
            size = _matrix_size(module)
            if size:
                # Forward pass and gradient of the input, and gradient of the weights, at 2 operations per weight each.
                per_token += (6 if module.weight.requires_grad else 4) * size
        config = model.config.get_text_config()
        heads = getattr(config, "num_attention_heads", None) or 0  # 0: a model without attention
        head = heads and (getattr(config, "head_dim", None) or config.hidden_size // heads)
        # Scores and weighted values, each one product in the forward and two in the backward pass.
        per_pair = 12 * config.num_hidden_layers * heads * head
        return cls(per_token, per_pair)

    def of_rows(self, lengths: Iterable[int]) -> int:
        """Return the operations for rows.

        Args:
            lengths: numbers of tokens of the rows.
        """
        return sum(self.per_token * n + self.per_pair * n * (n + 1) // 2 for n in lengths)


def _matrix_size(module: torch.nn.Module) -> int:
    """Return the number of weights of a linear layer; 0 for other modules."""
    # Not the size of the tensor, which differs for quantized and sharded weights.
    if isinstance(module, torch.nn.Linear):
        return module.in_features * module.out_features
    return module.nx * module.nf if isinstance(module, Conv1D) else 0


def peak_flops(config: TrainingConfig) -> float | None:
    """Return the peak performance of one device, in FLOP/s: as configured, or that of a known GPU; else None.

    Args:
        config: training configuration.
    """
    tflops = config.peak_tflops
    if tflops is None and torch.cuda.is_available() and config.precision == "bfloat16":
        tflops = reported_tflops(torch.cuda.get_device_name())
    return None if tflops is None else tflops * 1e12
