"""Choice of the attention implementation for training, and row-by-row SDPA for packed rows.

transformers masks packed rows for SDPA, so that the scores of every row over all other rows are computed and
discarded. Without a flash-attention kernel that takes the rows' bounds, SDPA row by row avoids the mask; it also lets
rows share their common prefix, which is then computed once.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from selfalign.core.config.training import TrainingConfig
from selfalign.core.errors import ConfigError

ROW_BY_ROW = "sdpa_row_by_row"


def choose_attention(config: TrainingConfig, model: dict[str, Any]) -> str:
    """Return the attention implementation to load a model with, as registered with transformers.

    ``auto`` is flash-attention 2 if available, else SDPA if the model supports it. On a CPU, packed rows use SDPA row
    by row, unless a row may exceed the model's sliding window. (On a GPU, the rows' bounds would have to be copied to
    the host in every layer.)

    Args:
        config: training configuration.
        model: content of the checkpoint's ``config.json``.

    Raises:
        ConfigError: packing is configured, but the model has its own attention code, which may not keep rows apart.
    """
    family = model["model_type"]
    if config.batching == "packed" and not _supports(family, "_supports_attention_backend"):
        raise ConfigError(
            f"training.batching: expected padded or grouped for a model of the type {family!r}, whose attention does "
            "not go through transformers' interface; found packed"
        )
    if config.attention != "auto":
        return config.attention
    if _flash_attention_works(config, family):
        return "flash_attention_2"
    if not _supports(family, "_supports_sdpa"):
        return "eager"
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
    """Return causal attention within each packed row; rows are identified by their positions.

    A row begins where the positions are not consecutive. The first row is complete. The others may begin at a position
    P > 0: they share the first P tokens of the first row and attend to these and to their own.

    Args:
        module: attention module of the model.
        query: (1, heads, tokens, head size).
        key: (1, key-value heads, tokens, head size).
        value: (1, key-value heads, tokens, head size).
        attention_mask: None.
        position_ids: int64, (1, tokens).
        kwargs: further arguments of transformers' SDPA.

    Returns:
        (1, tokens, heads, head size), and None instead of attention weights.
    """
    lengths, shared = packed_row_lengths(position_ids[0])
    # Split instead of slicing: the gradient of a slice is as large as the whole tensor.
    pieces = [shared, lengths[0] - shared, *lengths[1:]]
    (shared_key, *keys), (shared_value, *values) = (each.split(pieces, dim=2) for each in (key, value))
    rows = []
    for queries, own_key, own_value in zip(query.split(lengths, dim=2), keys, values, strict=True):
        mask = attention_mask
        if shared and rows:
            own = queries.shape[2]
            mask = queries.new_ones((own, shared + own), dtype=torch.bool).tril(shared)
        row_key, row_value = torch.cat([shared_key, own_key], 2), torch.cat([shared_value, own_value], 2)
        rows.append(sdpa_attention_forward(module, queries, row_key, row_value, mask, **kwargs)[0])
    return torch.cat(rows, dim=1), None


def packed_row_lengths(positions: torch.Tensor) -> tuple[list[int], int]:
    """Return the number of tokens of every row, and the length of the prefix shared with the first row.

    Args:
        positions: int64, (tokens,); a row begins where they are not consecutive.
    """
    breaks = ((positions[1:] != positions[:-1] + 1).nonzero()[:, 0] + 1).tolist()
    bounds = zip([0, *breaks], [*breaks, len(positions)], strict=True)
    return [stop - start for start, stop in bounds], int(positions[breaks[0]]) if breaks else 0


def _flash_attention_works(config: TrainingConfig, family: str) -> bool:
    usable = torch.cuda.is_available() and config.precision == "bfloat16"
    return (
        usable
        and _supports(family, "_supports_flash_attn")
        and importlib.util.find_spec("flash_attn") is not None
    )


def _supports(family: str, what: str) -> bool:
    """Return a class attribute of transformers' causal language model of a model type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    return getattr(MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[family]], what, False)
