"""Which attention a training computes with, and one of ours for rows packed side by side.

transformers gives SDPA a mask for packed rows, so that every row's scores over all the other rows are computed
and thrown away. Where no flash-attention kernel takes the rows' bounds, SDPA row by row does without the mask.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from selfalign.core.config.training import TrainingConfig

ROW_BY_ROW = "sdpa_row_by_row"


def choose_attention(config: TrainingConfig, model: dict[str, Any]) -> str:
    """Return the name of the attention to load a model with, registered with transformers.

    ``auto`` is flash-attention 2 where it can be used, else SDPA: row by row for packed rows on a CPU (on a GPU
    the bounds would have to be fetched from it in every layer), if no row is longer than the model's window.

    Args:
        model: the configuration of the checkpoint.
    """
    if config.attention != "auto":
        return config.attention
    if _flash_attention_works(config, model["model_type"]):
        return "flash_attention_2"
    window = model.get("sliding_window")
    fits = window is None or config.max_length <= window
    if config.batching == "packed" and fits and not torch.cuda.is_available():
        AttentionInterface.register(ROW_BY_ROW, attend_row_by_row)
        return ROW_BY_ROW
    return "sdpa"


def attend_row_by_row(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    position_ids: torch.Tensor,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Return causal attention within each of the rows that `position_ids` number from 0.

    Args:
        query: (1, heads, tokens, size of a head); `key` and `value` the same with the heads they have.
        attention_mask: None; there is nothing to mask.
        position_ids: int64, (1, tokens).

    Returns:
        (1, tokens, heads, size of a head), and None in place of the weights.
    """
    starts = (position_ids[0] == 0).nonzero()[:, 0].tolist()
    bounds = zip(starts, [*starts[1:], query.shape[2]], strict=True)
    rows = [
        sdpa_attention_forward(
            module, query[:, :, a:b], key[:, :, a:b], value[:, :, a:b], attention_mask, **kwargs
        )[0]
        for a, b in bounds
    ]
    return torch.cat(rows, dim=1), None


def _flash_attention_works(config: TrainingConfig, family: str) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    supported = getattr(MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[family]], "_supports_flash_attn", False)
    usable = torch.cuda.is_available() and config.precision == "bfloat16"
    return supported and usable and importlib.util.find_spec("flash_attn") is not None
